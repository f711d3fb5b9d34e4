"""`index.json` beside shards: believed only where it can be true."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shard_servers import draw_photos
from shards_written import deal

from lensmith.data.shard_index import FILE
from lensmith.data.sources import load_data
from lensmith.errors import DataError

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    deal(draw_photos(tmp_path / "data", 8), tmp_path / "shards")
    return tmp_path / "shards"


def changed(folder: Path, change: Change) -> None:
    index = json.loads((folder / FILE).read_text())
    change(index)
    (folder / FILE).write_text(json.dumps(index))


DAMAGED: dict[str, Change] = {
    "another count": lambda index: index.update(count=7),
    "no classes": lambda index: index.pop("classes"),
    "a task of nobody": lambda index: index.update(task="detection"),
    "a name that leads out": lambda index: index["shards"][0].update(file="../00000.tar"),
    "an absolute name": lambda index: index["shards"][0].update(file="/etc/x.tar"),
    "a place outside of the shard": lambda index: index["shards"][0]["offsets"].__setitem__(0, 10**9),
    "a place before it": lambda index: index["shards"][0]["offsets"].__setitem__(0, -512),
    "a size that is no number": lambda index: index["shards"][0]["sizes"].__setitem__(0, "12"),
    "a picture of any size": lambda index: index["shards"][0].update(
        bytes=10**15, sizes=[10**14] * len(index["shards"][0]["sizes"])
    ),
    "a class that is none": lambda index: index["shards"][0]["targets"].__setitem__(0, 2),
    "a class by name": lambda index: index["shards"][0]["targets"].__setitem__(0, "ants"),
    "a column too short": lambda index: index["shards"][0]["names"].pop(),
    "a split of nobody": lambda index: index["shards"][0].update(split="dev"),
    "no sha256": lambda index: index["shards"][0]["sha256s"].__setitem__(0, "0"),
    "shards that are no list": lambda index: index.update(shards=3),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_what_cannot_be_true_is_refused(folder: Path, damage: str) -> None:
    changed(folder, DAMAGED[damage])
    with pytest.raises(DataError, match=r"shard"):
        load_data(folder)


def test_half_an_index_is_refused(folder: Path) -> None:
    (folder / FILE).write_text((folder / FILE).read_text()[:200])
    with pytest.raises(DataError, match=r"index.json: cannot be read as JSON"):
        load_data(folder)


def test_a_newer_format_is_refused(folder: Path) -> None:
    changed(folder, lambda index: index.update({"lensmith.shards": 2}))
    with pytest.raises(DataError, match="of format 2, and 1 is known here"):
        load_data(folder)


def test_an_index_of_somebody_else_says_nothing(folder: Path) -> None:
    (folder / FILE).write_text('{"files": []}')
    data = load_data(folder)
    assert len(data) == 8
    assert data.classes == ["0", "1"]


@pytest.mark.parametrize("content", [None, b"short"])
def test_a_shard_that_is_not_as_it_says_is_named(folder: Path, content: bytes | None) -> None:
    if content is None:
        (folder / "00001.tar").unlink()
    else:
        (folder / "00001.tar").write_bytes(content)
    with pytest.raises(DataError, match=r"00001.tar: the shard"):
        load_data(folder)
