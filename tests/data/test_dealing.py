"""Shards that lensmith writes: the same pictures, readable by WebDataset, whole or not there."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from drawn import draw, draw_classes, tree_hash
from shard_servers import draw_photos
from shards_written import deal, ended

from lensmith.data.dealing import Limits, write_shards
from lensmith.data.shard_index import FILE
from lensmith.data.sources import load_data
from lensmith.errors import DataError, UsageError


def rows(data: Any) -> list[tuple[str, Any, str, str]]:
    """What is known of each picture, whatever their order."""
    return sorted(
        (identity, data.words(one.target), one.split, one.group)
        for identity, one in zip(data.ids, data.examples, strict=True)
    )


def test_what_load_data_knows_of_a_folder_it_knows_of_its_shards(tmp_path: Path) -> None:
    for split in ("train", "val"):
        draw_photos(tmp_path / "data" / split, 12 if split == "train" else 6, 40 if split == "train" else 41)
    before = tree_hash(tmp_path / "data")
    data = load_data(tmp_path / "data", group_by="{}.jpg")
    written = deal(tmp_path / "data", tmp_path / "shards", data=data)
    assert tree_hash(tmp_path / "data") == before
    found = load_data(tmp_path / "shards")
    assert rows(found) == rows(data)
    assert (found.name, found.classes, found.fingerprint) == (data.name, data.classes, data.fingerprint)
    paths = {str(Path(str(one.source)).relative_to(tmp_path / "data")) for one in data.examples}
    assert {one.source.path for one in found.examples} == paths
    assert written.count == 18
    assert written.shards == [f"train-0000{i}.tar" for i in range(3)] + ["val-00000.tar", "val-00001.tar"]


def test_no_shard_is_a_class_and_a_seed_deals_the_same_bytes(tmp_path: Path) -> None:
    source = draw_photos(tmp_path / "data", 20)
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        deal(source, tmp_path / name, seed=seed)
    contents = {
        name: {file.name: file.read_bytes() for file in sorted((tmp_path / name).iterdir())}
        for name in ("one", "again", "other")
    }
    assert contents["one"] == contents["again"]
    assert contents["one"] != contents["other"]
    data = load_data(tmp_path / "one")
    for _, part in itertools.groupby(data.examples, key=lambda one: one.source.shard.name):
        assert {one.target for one in part} == {0, 1}


def test_the_index_holds_the_sha256_of_each_shard_and_picture(tmp_path: Path) -> None:
    deal(draw_photos(tmp_path / "data"), tmp_path / "shards")
    index = json.loads((tmp_path / "shards" / FILE).read_text())
    assert index["count"] == sum(shard["count"] for shard in index["shards"]) == 12
    for shard in index["shards"]:
        content = (tmp_path / "shards" / shard["file"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (shard["bytes"], shard["sha256"])
        for offset, size, sha256, path in zip(
            shard["offsets"], shard["sizes"], shard["sha256s"], shard["paths"], strict=True
        ):
            picture = content[offset : offset + size]
            assert picture == (tmp_path / "data" / path).read_bytes()
            assert hashlib.sha256(picture).hexdigest() == sha256


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_webdataset_reads_them(tmp_path: Path, task: str) -> None:
    webdataset = pytest.importorskip("webdataset")
    cells = {"classification": "ab", "multilabel": ["a;b", "b"], "regression": ["1.5", "2.25"]}[task]
    for number in range(6):
        draw(tmp_path / "data" / f"{number}.png", number)
    column = {"classification": "label", "multilabel": "labels", "regression": "value"}[task]
    lines = [f"{number}.png,{cells[number % 2]}" for number in range(6)]
    (tmp_path / "data" / "labels.csv").write_text("\n".join([f"path,{column}", *lines]))
    data = load_data(tmp_path / "data")
    deal(tmp_path / "data", tmp_path / "shards", count=4)
    assert rows(load_data(tmp_path / "shards")) == rows(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        urls = [str(file) for file in sorted((tmp_path / "shards").glob("*.tar"))]
        samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert len(samples) == 6
    said = {}
    for sample in samples:
        target = json.loads(sample["cls"] if task == "classification" else sample["json"])
        said[hashlib.sha256(sample["png"]).hexdigest()] = tuple(target) if task == "multilabel" else target
    assert said == dict(zip(data.ids, data.targets, strict=True))


def test_shards_are_as_large_as_asked_for(tmp_path: Path) -> None:
    source = draw_photos(tmp_path / "data", 30)
    by_size = ended(write_shards(load_data(source), tmp_path / "a", source, Limits(bytes=20_000)))
    sizes = [(tmp_path / "a" / name).stat().st_size for name in by_size.shards]
    assert len(sizes) > 2
    assert all(size <= 20_000 + 2048 for size in sizes)
    assert min(sizes[:-1]) > 10_000
    one_each = ended(write_shards(load_data(source), tmp_path / "b", source, Limits(bytes=1)))
    assert len(one_each.shards) == 30


def test_shards_are_dealt_anew_from_shards(tmp_path: Path) -> None:
    source = draw_photos(tmp_path / "data")
    deal(source, tmp_path / "few", count=3)
    deal(tmp_path / "few", tmp_path / "many", count=7, seed=4)
    assert rows(load_data(tmp_path / "many")) == rows(load_data(source))
    paths = {one.source.path for one in load_data(tmp_path / "many").examples}
    assert paths == {one.source.path for one in load_data(tmp_path / "few").examples}


def test_what_is_no_picture_stays_out_with_its_reason(tmp_path: Path) -> None:
    source = draw_photos(tmp_path / "data")
    (source / "ants" / "empty.jpg").touch()
    (source / "ants" / "page.jpg").write_text("<html></html>")
    (source / "bees" / "a\nb ü.jpg").write_bytes((source / "bees" / "01.jpg").read_bytes() + b"\0")
    written = deal(source, tmp_path / "shards")
    assert {(Path(one.file).name, one.reason) for one in written.skipped} == {
        ("empty.jpg", "empty file"),
        ("page.jpg", "not a picture"),
    }
    data = load_data(tmp_path / "shards")
    assert written.count + len(written.skipped) == len(load_data(source)) == 15
    assert "bees/a\nb ü.jpg" in {one.source.path for one in data.examples}


@pytest.mark.parametrize("where", ["data/shards", "taken"])
def test_a_folder_that_is_taken_or_under_the_data_is_refused(tmp_path: Path, where: str) -> None:
    source = draw_classes(tmp_path / "data", cats=2, dogs=2)
    draw(tmp_path / "taken" / "a.png")
    before = tree_hash(tmp_path)
    with pytest.raises(UsageError, match=r"shards|taken"):
        deal(source, tmp_path / where)
    assert tree_hash(tmp_path) == before


def test_shards_of_a_table_may_lie_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        draw(Path("pictures") / f"{number}.png", number)
    Path("list.csv").write_text(
        "path,label,split,group\n"
        + "".join(f"pictures/{n}.png,{'ab'[n % 2]},{'train' if n else 'test'},g{n // 2}\n" for n in range(4))
    )
    deal(Path("list.csv"), Path("shards"))
    assert rows(load_data("shards")) == rows(load_data("list.csv"))


def test_pictures_without_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lies in no file"):
        ended(write_shards(load_data("digits"), tmp_path / "shards"))
    assert not (tmp_path / "shards").exists()


def test_nothing_to_write_leaves_nothing(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "a.jpg").touch()
    with pytest.raises(DataError, match="no picture can be written"):
        deal(tmp_path / "data", tmp_path / "shards")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_stopped_midway_nothing_looks_done(tmp_path: Path) -> None:
    source = draw_photos(tmp_path / "data", 200)
    going = write_shards(load_data(source), tmp_path / "shards", source, Limits(count=5))
    next(going)
    going.close()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_midway_nothing_looks_done(tmp_path: Path) -> None:
    source = draw_photos(tmp_path / "data", 400)
    words = [
        sys.executable,
        "-m",
        "lensmith",
        "shards",
        str(source),
        str(tmp_path / "shards"),
        "--count",
        "1",
    ]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and not list(tmp_path.glob(".shards*/*.tar")):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "shards").exists()
    deal(source, tmp_path / "shards", count=100)
    assert len(load_data(tmp_path / "shards")) == 400
