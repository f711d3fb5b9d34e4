"""`splits.csv`: what it names stays where it was, whatever happens to names, copies and new pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_up import copies_of, numbered, picture, sides

from lensmith.data.dataset import ImageDataset
from lensmith.data.leaks import without_leaks
from lensmith.data.split_file import give_splits, read_split_file, write_split_file
from lensmith.data.splitting import make_splits
from lensmith.errors import DataError


def written(data: ImageDataset, place: Path) -> Path:
    write_split_file(place / "splits.csv", data, None)
    return place / "splits.csv"


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    odd = [picture(name, 0) for name in ('a, "b".png', "new\nline.png", "é 中.png", "back\\slash.png")]
    data = numbered(ants=30, bees=30)
    data = make_splits(data.with_examples([*data.examples, *odd]), 0.2, test=0.2)
    given = give_splits(
        data.with_examples([replace(e, split="") for e in data.examples]),
        read_split_file(written(data, tmp_path)),
        None,
    )
    assert sides(given.data) == sides(data)
    assert (given.known, given.missing, sum(given.drawn.values())) == (64, 0, 0)


def test_names_change_and_bytes_do_not(tmp_path: Path) -> None:
    data = make_splits(numbered(ants=40, bees=40))
    entries = read_split_file(written(data, tmp_path))
    moved = data.with_examples(copies_of([replace(e, split="") for e in data.examples], "elsewhere"))
    moved = moved.with_examples(
        [replace(e, source=Path(f"elsewhere/{n}.png"), sha256=e.sha256) for n, e in enumerate(moved.examples)]
    )
    given = give_splits(moved, entries, None)
    assert [e.split for e in given.data.examples] == [e.split for e in data.examples]
    edited = [replace(e, split="", sha256=f"{n:064}") for n, e in enumerate(data.examples)]
    assert sides(give_splits(data.with_examples(edited), entries, None).data) == sides(data)


@pytest.mark.parametrize("seed", range(5))
def test_what_was_held_out_never_comes_into_training(seed: int, tmp_path: Path) -> None:
    """New pictures, new copies of old ones, new ones of old groups, some gone: twice as many as before."""
    before = numbered(ants=60, bees=60)
    before = before.with_examples(
        [
            replace(e, group=f"film {n % 20}", sha256=e.sha256) if n < 40 else e
            for n, e in enumerate(before.examples)
        ]
    )
    before = make_splits(before, 0.2, seed)
    held_out = {e.sha256 for e in before.split("val").examples}
    films = {e.group for e in before.split("val").examples if e.group}
    assert held_out and films
    rows = [replace(e, split="", sha256=e.sha256) for e in before.examples[10:]]
    rows += copies_of(rows[:50], "copies")
    rows += [picture(f"new {n}.png", 0, f"film {n % 20}") for n in range(40)]
    rows += numbered(100, ants=70, bees=70).examples
    given = give_splits(before.with_examples(rows), read_split_file(written(before, tmp_path)), None, seed)
    train = given.data.split("train").examples
    assert not held_out & {e.sha256 for e in train}
    assert not films & {e.group for e in train}
    assert (given.known, given.missing) == (160, 10)
    new = [e for e in given.data.examples if "/1" in str(e.source) or "new" in str(e.source)]
    assert {e.split for e in new} == {"train", "val"}
    words = given.words("splits.csv")
    assert (
        "as splits.csv says of 160 pictures; 180 new ones drawn here (" in words
        and "10 that it names" in words
    )


def test_a_file_that_says_two_things_holds_out(tmp_path: Path) -> None:
    data = make_splits(numbered(ants=20, bees=20))
    both = data.with_examples([*data.examples, *(replace(e, split="test") for e in data.examples[:3])])
    given = give_splits(data, read_split_file(written(both, tmp_path)), None)
    assert [e.split for e in given.data.examples[:3]] == ["test"] * 3


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("path,label\na,b\n", "no file of splits; its columns are path, label"),
        ("path,split\na.png,train\nb.png,trian\n", "line 3 has split 'trian'"),
        ("", "its columns are none"),
        ("path,split\nz.png,train\n", "none of its 4 pictures is in the file"),
        ("path,split\nants/0.png,train\nants/1.png,train\nbees/0.png,train\n", "are all in train"),
        ("path,split\n", "none of its 4 pictures"),
    ],
)
def test_files_that_cannot_be_used(text: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(DataError, match=found):
        give_splits(numbered(ants=2, bees=2), read_split_file(tmp_path / "s.csv"), None)
    with pytest.raises(DataError, match="no splits can be read"):
        read_split_file(tmp_path / "nowhere.csv")


@pytest.mark.fault(21)
def test_leaks_are_left_out_of_the_earlier_split() -> None:
    ants = [picture(f"{n}.png", 0, split="train") for n in range(6)]
    held_out = [replace(e, split="test") for e in copies_of(ants[:2], "test")]
    val = [
        picture("v.png", 0, "film", "val"),
        *(replace(e, split="val") for e in copies_of(ants[2:3], "val")),
    ]
    film = [picture("f.png", 0, "film", "train"), picture("g.png", 0, "film", "test")]
    data = ImageDataset([*ants, *held_out, *val, *film], ["ants"])
    clean = without_leaks(data)
    assert len(clean) + len(clean.skipped) == len(data)
    assert {e.split for e in clean.examples if e.group} == {"test"}
    assert sorted(str(e.source) for e in clean.split("train").examples) == ["3.png", "4.png", "5.png"]
    assert len(clean.split("test")) == 3
    reasons = {one.file: one.reason for one in clean.skipped}
    assert reasons["0.png"] == "left out of train: test holds the same picture, test/0.png"
    assert reasons["f.png"] == "left out of train: test holds pictures of its group, film"
