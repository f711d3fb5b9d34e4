"""`index.json` beside shards: what is in them and where, so that nothing but pictures has to be read.

{"lensmith.shards": 1, "name": ..., "task": ..., "classes": [...], "count": ..., "skipped": [...],
 "shards": [{"file": "00000.tar", "split": "train", "count": ..., "bytes": ..., "sha256": ...,
             "names": [...], "paths": [...], "offsets": [...], "sizes": [...], "sha256s": [...],
             "targets": [...], "groups": [...]}]}
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from lensmith.data.dataset import SPLITS, Example, ImageDataset, Target
from lensmith.errors import DataError
from lensmith.pictures.asked import MOST_BYTES
from lensmith.shards.member import Member, Shard, changed
from lensmith.shards.places import Facts, Place

FILE = "index.json"
FORMAT = "lensmith.shards"
VERSION = 1
COLUMNS = ("names", "paths", "offsets", "sizes", "sha256s", "targets", "groups")
MOST = 2_000_000_000
"""Bytes of an index: about ten million pictures."""

_PLAIN = re.compile(r"[\w-][\w.-]*\.tar")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TASKS = ("classification", "multilabel", "regression")


def read_index(place: Place) -> ImageDataset | None:
    """The pictures that an index tells of; None where there is no index of ours.

    What it says is checked, since it may come from anywhere. Raises `DataError`, also where a shard here is not of
    the size that it should have.
    """
    content = place.whole(FILE, MOST)
    if content is None:
        return None
    where = place.called(FILE)
    try:
        told = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: cannot be read as JSON ({error})", hint="Copy it again.") from error
    if not isinstance(told, dict) or FORMAT not in told:
        return None
    if told[FORMAT] != VERSION:
        raise DataError(
            f"{where}: of format {told[FORMAT]}, and {VERSION} is known here", hint="Update lensmith."
        )
    try:
        examples = [example for row in told["shards"] for example in _examples(place, told, row)]
        data = ImageDataset(
            examples,
            list(map(str, told["classes"])),
            task=_one_of(told["task"], _TASKS),
            name=str(told["name"]),
        )
        _require(len(data) == told["count"], "the counts differ")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{where}: not as an index has to be ({type(error).__name__}: {error})",
            hint="lensmith shards DATA DIR writes one; without an index.json the tar files are read as they are.",
        ) from error
    if not examples:
        raise DataError(f"{where}: no pictures in it")
    return data


def _examples(place: Place, told: dict[str, Any], row: dict[str, Any]) -> Iterator[Example]:
    _require(_PLAIN.fullmatch(row["file"]) is not None, f"{row['file']!r} is no name of a shard")
    _require(_SHA256.fullmatch(row["sha256"]) is not None, "no sha256 of a shard")
    shard = Shard(place, row["file"], Facts(_whole(row["bytes"])), row["sha256"])
    if place.is_near and (now := place.facts(shard.name)).size != shard.facts.size:
        raise changed(shard, f"it has {now.size:,} bytes, and {FILE} says {shard.facts.size:,}")
    split = _one_of(row["split"], ("", *SPLITS))
    classes = len(told["classes"])
    columns = [row[name] for name in COLUMNS]
    _require(all(len(column) == row["count"] for column in columns), f"columns of {shard} differ in length")
    for name, path, offset, size, sha256, target, group in zip(*columns, strict=True):
        end = _whole(offset) + _whole(size)
        if end > shard.facts.size or size > MOST_BYTES or not _SHA256.fullmatch(sha256):
            raise ValueError(f"{name} of {shard} has no sha256, or lies outside of it")
        member = Member(shard, str(name), offset, size, str(path))
        yield Example(member, _target(target, told["task"], classes), split, str(group), sha256)


def _target(value: Any, task: str, classes: int) -> Target:
    if task == "regression":
        _require(isinstance(value, int | float) and math.isfinite(value), f"target {value!r}")
        return float(value)
    if task == "classification":
        return _class(value, classes)
    return tuple([_class(one, classes) for one in value])


def _class(value: Any, classes: int) -> int:
    if _whole(value) >= classes:
        raise ValueError(f"target {value}, and there are {classes} classes")
    return int(value)


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _one_of(value: Any, words: tuple[str, ...]) -> Any:
    _require(value in words, f"{value!r} is none of {', '.join(words)}")
    return value


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise ValueError(why)
