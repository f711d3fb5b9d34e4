"""Shards that come without an index of ours: samples of a picture and its label, as WebDataset writes them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from lensmith.data.dataset import Example, ImageDataset, Skipped
from lensmith.data.folders import is_of_the_system, looks_like_picture
from lensmith.data.own import Label, targets_of, task_of
from lensmith.errors import DataError
from lensmith.pictures.asked import MOST_BYTES
from lensmith.shards.member import Member, Shard
from lensmith.shards.passing import Found, Passing
from lensmith.types import Task

_SAMPLE = re.compile(r"((?:.*/|)[^./][^./]*)\.([^/]*)", re.DOTALL)
"""KEY and suffix: what follows the first dot of the name, as WebDataset has it."""
_FIELDS = ("cls", "label", "labels", "class", "classes", "target", "value", "y")
"""Of a JSON object, the one that is the label."""
_LABELS = ("cls", "json")
"""Suffixes of files with a label, the one that counts first."""
_MOST_LABEL = 1 << 16


@dataclass
class _Sample:
    """What of one KEY was found; labels: what their files hold, by suffix."""

    key: str
    picture: Member | None = None
    labels: dict[str, bytes] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Labelled:
    picture: Member
    split: str
    label: Label


def read_samples(
    shards: Sequence[tuple[Shard, str]], classes: Sequence[str] | None, name: str, task: Task | None = None
) -> ImageDataset:
    """The pictures of shards, by one pass through the headers of each. shards: each with its split, "" for none;
    classes: the names of the indices, where they are known.

    A picture KEY.jpg has its label in KEY.cls, an index or a name, or in KEY.json: an index, a name, a number, a list
    of them, or an object with one of these as cls, label, labels, class, target or value. What cannot be used is
    skipped with its reason. Raises `DataError` where nothing is left, or where labels fit nothing.
    """
    found: list[_Labelled] = []
    skipped: list[Skipped] = []
    for shard, split in shards:
        for one in _samples(shard, skipped):
            if (label := _label(one, skipped)) is not None and one.picture is not None:
                found.append(_Labelled(one.picture, split, label))
    if not found:
        first = (
            f"The first of {len(skipped):,} skipped, {skipped[0].file}: {skipped[0].reason}."
            if skipped
            else ""
        )
        raise DataError(
            f"{name}: no picture with a label in {len(shards):,} shards",
            hint=first or "A sample is KEY.jpg and KEY.cls.",
        )
    labels = [one.label for one in found]
    kind = task_of(labels, task)
    names, targets = targets_of(name, classes, labels, kind)
    examples = [Example(one.picture, target, one.split) for one, target in zip(found, targets, strict=True)]
    return ImageDataset(examples, names, task=kind, name=name, skipped=skipped)


def _samples(shard: Shard, skipped: list[Skipped]) -> Iterator[_Sample]:
    """Files of one KEY that follow each other, as WebDataset has it; a KEY that comes again later is refused."""
    passing = Passing(shard)
    keys: set[str] = set()
    sample = _Sample("")
    for one in passing.members():
        where = f"{shard}!{one.name}" if one.name else str(shard)
        match = _SAMPLE.fullmatch(one.name)
        reason = one.trouble or _reason(one, match)
        if match is not None and not reason:
            if match[1] != sample.key:
                yield sample
                sample = _Sample(match[1])
                if sample.key in keys:
                    sample.seen.add("")
                keys.add(sample.key)
            reason = _taken(sample, match[2], one, passing, shard)
        if reason:
            skipped.append(Skipped(where, reason))
    yield sample


def _reason(one: Found, match: re.Match[str] | None) -> str:
    if any(is_of_the_system(part) for part in PurePosixPath(one.name).parts):
        return "a file of the system, not a picture"
    return "" if match is not None else "its name is not KEY.SUFFIX"


def _taken(sample: _Sample, suffix: str, one: Found, passing: Passing, shard: Shard) -> str:
    """Take a file into its sample; why not, where it is not."""
    suffix = suffix.lower()
    if "" in sample.seen or suffix in sample.seen:
        return f"a second {sample.key} in the shard"
    sample.seen.add(suffix)
    if suffix in _LABELS:
        if one.size > _MOST_LABEL:
            return f"{one.size:,} bytes for a label"
        sample.labels[suffix] = passing.content(one.offset, one.size)
        return ""
    if "." in suffix or not looks_like_picture(PurePosixPath(f"0.{suffix}")):
        return "neither a picture nor a label (.cls, .json)"
    if one.size > MOST_BYTES:
        return f"more than {MOST_BYTES // 1_000_000} MB"
    if sample.picture is not None:
        return "another picture of its sample is used"
    sample.picture = Member(shard, one.name, one.offset, one.size)
    return ""


def _label(sample: _Sample, skipped: list[Skipped]) -> Label | None:
    """What a sample shows; None, and its picture skipped, where nothing says that."""
    if sample.picture is None:
        return None
    suffix = next((suffix for suffix in _LABELS if suffix in sample.labels), "")
    label = None
    if suffix:
        content = sample.labels[suffix]
        label = _of_text(content) if suffix == "cls" else _of_json(content)
    if label is None:
        why = f"no label in {sample.key}.{suffix}" if suffix else f"no {sample.key}.cls or .json beside it"
        skipped.append(Skipped(str(sample.picture), why))
    return label


def _of_text(content: bytes) -> Label | None:
    text = content.decode("utf-8", "replace").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text or None


def _of_json(content: bytes) -> Label | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict):
        value = next((value[name] for name in _FIELDS if name in value), None)
    return value if _is_label(value) else None


def _is_label(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_label(one) and not isinstance(one, list) for one in value)
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
