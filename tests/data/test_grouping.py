"""`group_by`: what a word stands for, and that a word that cannot be meant says what it found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from made_up import picture

from lensmith.data.dataset import ImageDataset
from lensmith.data.grouping import group_words, grouped
from lensmith.data.sources import load_data
from lensmith.errors import UsageError

FILMS = [
    f"{split}/{kind}/film{film}_frame{n:02}.jpg"
    for split in ("train", "val")
    for kind in ("ants", "bees")
    for film in range(3)
    for n in range(4)
]


def named(*names: str) -> ImageDataset:
    return ImageDataset([picture(name, int("bees" in name)) for name in names], ["ants", "bees"])


def groups(data: ImageDataset) -> set[str]:
    return set(data.groups)


@pytest.mark.parametrize("word", [r"(.*)_frame\d+", "{}_frame*", "{}_frame*.jpg"])
def test_a_pattern_of_names(word: str) -> None:
    data = grouped(named(*FILMS), word)
    assert groups(data) == {"film0", "film1", "film2"}
    assert "3 groups (the largest, film2, of 16 pictures)" in group_words(data)


def test_a_pattern_with_folders_and_parts() -> None:
    names = [f"ants/site{s}/p{p}_{n}.png" for s in range(2) for p in range(2) for n in range(3)]
    assert groups(grouped(named(*names), r"site(\d)/p(\d)")) == {"0 0", "0 1", "1 0", "1 1"}
    assert groups(grouped(named(*names), "{}/p*_*")) == {"site0", "site1"}
    assert groups(grouped(named(*names), "folder")) == {"site0", "site1"}


def test_where_the_data_lie_is_no_part_of_a_path(tmp_path: Path) -> None:
    root = tmp_path / "patient99" / "set"
    for patient in range(4):
        for kind in ("ants", "bees"):
            folder = root / kind / f"patient{patient}"
            folder.mkdir(parents=True)
            for n in range(2):
                (folder / f"{n}.png").write_bytes(f"{patient} {kind} {n}".encode())
    wanted = {f"patient{patient}" for patient in range(4)}
    for word in ("folder", "folder:1", r"(patient\d+)/"):
        assert groups(load_data(root, group_by=word)) == wanted
    for word, found in (("folder:2", "gives the classes again"), ("folder:3", "fits none of 16 pictures")):
        with pytest.raises(UsageError, match=found):
            load_data(root, group_by=word)


def table(place: Path, header: str) -> Path:
    rows = [f"{n}.png,{'ab'[n % 2]},p{n // 4}," for n in range(16)]
    for n in range(16):
        (place / f"{n}.png").write_bytes(str(n).encode())
    (place / "list.csv").write_text(f"path,label,{header},more\n" + "\n".join(rows) + "\n")
    return place / "list.csv"


def test_a_column(tmp_path: Path) -> None:
    file = table(tmp_path, "Patient")
    for word in ("Patient", "patient", "column:patient"):
        data = load_data(file, group_by=word)
        assert Counter(e.group for e in data.examples) == {"p0": 4, "p1": 4, "p2": 4, "p3": 4}
    with pytest.raises(
        UsageError, match="neither a column nor a pattern: the columns are path, label, Patient"
    ):
        load_data(file, group_by="patients")
    with pytest.raises(UsageError, match="gives the classes again"):
        load_data(file, group_by="label")
    with pytest.raises(UsageError, match="each of 16 pictures a group of its own"):
        load_data(file, group_by="path")


def test_a_column_called_folder_may_be_either(tmp_path: Path) -> None:
    file = table(tmp_path, "folder")
    with pytest.raises(UsageError, match=r"stands for folders or names too\n.*column:folder"):
        load_data(file, group_by="folder")
    assert len(groups(load_data(file, group_by="column:folder"))) == 4


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("patient", "neither a column nor a pattern: data has no columns"),
        (r"(scene\d+)", r"fits none of 48 pictures, the first train/ants/film0_frame00.jpg"),
        (r"(film[01])_", r"fits 32 of 48 pictures, and not train/ants/film2"),
        (r"(film\d", "no regular expression"),
        ("*_*", "may mean several parts of a name"),
        ("folder:0", "levels count from 1"),
        ("folder:2", "gives the splits again"),
        ("folder", "gives the classes again"),
        (r"(f)ilm", "puts all pictures into one group, f"),
        ("column:patient", "no such column"),
    ],
)
def test_a_word_that_cannot_be_meant(word: str, found: str) -> None:
    with pytest.raises(UsageError, match=found):
        grouped(named(*FILMS), word)


def test_a_name_that_can_be_read_in_two_ways() -> None:
    with pytest.raises(UsageError, match=r"the group of p7_2024_1\.png may be p7 or p7_2024"):
        grouped(named("p7_2024_1.png", "p7_2024_2.png", "p8_2024_1.png"), "{}_*")
