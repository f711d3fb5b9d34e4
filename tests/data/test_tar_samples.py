"""Plain WebDataset shards as data: samples, labels, splits, and used + skipped = files found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from drawn import draw_classes, encoded, noise
from shards_written import write_tar

from lensmith.data.sources import load_data
from lensmith.errors import DataError

PICTURES = [encoded(noise(24, 24, seed)) for seed in range(12)]


def samples(labels: list[Any], suffix: str = "cls", first: int = 0) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for number, label in enumerate(labels, first):
        content = str(label) if suffix == "cls" else json.dumps(label)
        found += [(f"{number:04d}.png", PICTURES[number]), (f"{number:04d}.{suffix}", content.encode())]
    return found


@pytest.mark.parametrize(
    ("labels", "suffix", "task", "classes", "targets"),
    [
        ([1, 0, 2], "cls", "classification", ["0", "1", "2"], [1, 0, 2]),
        (["dog", "cat", "dog"], "cls", "classification", ["cat", "dog"], [1, 0, 1]),
        (
            [{"label": 1, "other": "x"}, {"label": 0}, {"label": 1}],
            "json",
            "classification",
            ["0", "1"],
            [1, 0, 1],
        ),
        ([[0, 2], [1], []], "json", "multilabel", ["0", "1", "2"], [(0, 2), (1,), ()]),
        ([["a", "b"], ["b"], ["a"]], "json", "multilabel", ["a", "b"], [(0, 1), (1,), (0,)]),
        ([1.5, 2.5, -3.0], "json", "regression", [], [1.5, 2.5, -3.0]),
        ([{"value": 1.5}, {"value": 0.5}, {"value": 2.0}], "json", "regression", [], [1.5, 0.5, 2.0]),
    ],
)
def test_labels_as_others_write_them(
    tmp_path: Path, labels: list[Any], suffix: str, task: str, classes: list[str], targets: list[Any]
) -> None:
    write_tar(tmp_path / "s" / "0.tar", samples(labels, suffix))
    data = load_data(tmp_path / "s")
    assert (data.task, data.classes, data.targets, data.skipped) == (task, classes, targets, ())


def test_webdatasets_own_writer_is_read(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.ShardWriter(str(tmp_path / "x-%04d.tar"), maxcount=2, verbose=0) as sink:
        for number in range(5):
            sink.write({"__key__": f"n{number}", "png": PICTURES[number], "cls": number % 3})
    (tmp_path / "classes.txt").write_text("ant\nbee\ncat\n")
    data = load_data(tmp_path)
    assert (data.classes, data.targets) == (["ant", "bee", "cat"], [0, 1, 2, 0, 1])
    assert [data.examples[row].source.read() for row in range(5)] == PICTURES[:5]


def test_used_and_skipped_are_all_that_was_found(tmp_path: Path) -> None:
    members = [
        *samples([0, 1]),
        ("alone.png", PICTURES[2]),
        ("label.cls", b"1"),
        ("0000.png", PICTURES[3]),
        ("0000.cls", b"1"),
        ("empty.png", PICTURES[4]),
        ("empty.cls", b" \n"),
        ("bad.png", PICTURES[5]),
        ("bad.json", b"{"),
        ("two.png", PICTURES[6]),
        ("two.jpg", PICTURES[7]),
        ("two.cls", b"0"),
        ("two.txt", b"a caption"),
        ("._0001.png", b"of a Mac"),
        ("nosuffix", b""),
        ("mask.seg.png", PICTURES[8]),
    ]
    file = write_tar(tmp_path / "s" / "0.tar", members)
    data = load_data(tmp_path / "s")
    found = {one.file.partition("!")[2]: one.reason for one in data.skipped}
    assert found == {
        "alone.png": "no alone.cls or .json beside it",
        "0000.png": "a second 0000 in the shard",
        "0000.cls": "a second 0000 in the shard",
        "empty.png": "no label in empty.cls",
        "bad.png": "no label in bad.json",
        "two.jpg": "another picture of its sample is used",
        "two.txt": "neither a picture nor a label (.cls, .json)",
        "._0001.png": "a file of the system, not a picture",
        "nosuffix": "its name is not KEY.SUFFIX",
        "mask.seg.png": "neither a picture nor a label (.cls, .json)",
    }
    pictures = [name for name, _ in members if name.endswith((".png", ".jpg"))]
    assert len(data) + sum(name.endswith((".png", ".jpg")) for name in found) == len(pictures)
    assert len(data) == 3
    assert file.is_file()


def test_one_picture_with_two_labels_goes_by_its_cls(tmp_path: Path) -> None:
    both = [("a.png", PICTURES[0]), ("a.cls", b"0"), ("a.json", b'{"label": 5}'), *samples([1], first=1)]
    write_tar(tmp_path / "s" / "0.tar", both)
    assert load_data(tmp_path / "s").targets == [0, 1]


@pytest.mark.parametrize("names", [("train-0.tar", "val-0.tar"), ("train/0.tar", "valid/0.tar")])
def test_splits_by_the_names_of_shards_or_folders(tmp_path: Path, names: tuple[str, str]) -> None:
    write_tar(tmp_path / "s" / names[0], samples([0, 1, 0]))
    write_tar(tmp_path / "s" / names[1], samples([1, 0], first=4))
    data = load_data(tmp_path / "s")
    assert [one.split for one in data.examples] == ["train"] * 3 + ["val"] * 2
    assert load_data(tmp_path / "s" / names[1]).splits == ()


def test_shards_of_a_split_beside_others_of_none_are_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "s" / "train-0.tar", samples([0, 1, 0]))
    write_tar(tmp_path / "s" / "more-0.tar", samples([1, 0], first=4))
    with pytest.raises(DataError, match=r"more-0.tar: of no split"):
        load_data(tmp_path / "s")


def test_braces_name_some_of_the_shards(tmp_path: Path) -> None:
    for number in range(4):
        write_tar(tmp_path / f"x-{number:03d}.tar", samples([0, 1], first=2 * number))
    data = load_data(f"{tmp_path}/x-{{001..002}}.tar")
    assert [one.source.shard.name for one in data.examples] == ["x-001.tar"] * 2 + ["x-002.tar"] * 2
    assert len(load_data(tmp_path / "x-003.tar")) == 2
    with pytest.raises(DataError, match=r"x-004.tar: the shard cannot be read"):
        load_data(f"{tmp_path}/x-{{003..004}}.tar")
    with pytest.raises(DataError, match="no row of shards"):
        load_data(f"{tmp_path}/x-{{3..1}}.tar")


def test_a_folder_of_classes_with_a_tar_beside_them_stays_one(tmp_path: Path) -> None:
    draw_classes(tmp_path, cats=2, dogs=2)
    write_tar(tmp_path / "photos.tar", samples([0, 1]))
    data = load_data(tmp_path)
    assert len(data) == 4
    assert any(one.file.endswith("photos.tar") for one in data.skipped)


def test_a_shard_that_changes_is_an_error_and_no_skipped_picture(tmp_path: Path) -> None:
    file = write_tar(tmp_path / "s" / "0.tar", samples([0, 1, 0, 1]))
    data = load_data(tmp_path / "s")
    told = file.stat()
    os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns + 1_000_000_000))
    with pytest.raises(DataError, match=r"0.tar: the shard changed"):
        data.pixels(0)
    data = load_data(tmp_path / "s")
    file.unlink()
    with pytest.raises(DataError, match=r"0.tar: the shard cannot be read"):
        _ = data.ids


def test_groups_come_from_the_names(tmp_path: Path) -> None:
    members = [(f"p{n // 4}_{name}", content) for n, (name, content) in enumerate(samples([0, 1, 0, 1]))]
    write_tar(tmp_path / "s" / "0.tar", members)
    data = load_data(tmp_path / "s", group_by="p{}_*")
    assert [one.group for one in data.examples] == ["0", "0", "1", "1"]
