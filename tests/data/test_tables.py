"""A CSV of pictures: tasks, separators and splits as people write them; every row used or told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drawn import draw

from lensmith.data.tables import read_table
from lensmith.errors import DataError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Six pictures, 0.png to 5.png."""
    for number in range(6):
        draw(tmp_path / "pictures" / f"{number}.png", number)
    return tmp_path


def table(place: Path, *rows: str, encoding: str = "utf-8", ending: str = "\n") -> Path:
    file = place / "labels.csv"
    file.write_bytes((ending.join(rows) + ending).encode(encoding))
    return file


def six(*labels: Any, separator: str = ",") -> list[str]:
    return [f"pictures/{number}.png{separator}{label}" for number, label in enumerate(labels)]


@pytest.mark.parametrize("header", ["path,label", "File, Class", "image ,y", "filename,target,"])
@pytest.mark.parametrize(("encoding", "ending"), [("utf-8", "\n"), ("utf-8-sig", "\r\n")])
def test_names_make_a_classification(header: str, encoding: str, ending: str, place: Path) -> None:
    rows = six("größe", "ant", "größe", "ant", "ant", "bee")
    data = read_table(table(place, header, *rows, encoding=encoding, ending=ending))
    assert (data.task, data.classes, data.name) == ("classification", ["ant", "bee", "größe"], place.name)
    assert data.targets == [2, 0, 2, 0, 0, 1]
    assert data.pixels(3).shape == (24, 32, 3)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators(separator: str, place: Path) -> None:
    rows = six("a", "b", "a", "b", "a", "b", separator=separator)
    assert read_table(table(place, f"path{separator}label", *rows)).targets == [0, 1, 0, 1, 0, 1]


def test_spaces_around_cells_are_nobodys(place: Path) -> None:
    rows = [f" pictures/{n}.png , {label} " for n, label in enumerate("abab")]
    assert read_table(table(place, "path , label", *rows)).classes == ["a", "b"]


def test_whole_numbers_are_names_and_fractions_are_values(place: Path) -> None:
    classes = read_table(table(place, "path,label", *six(3, 10, 3, 10, 2, 2)))
    assert (classes.task, sorted(classes.classes)) == ("classification", ["10", "2", "3"])
    values = read_table(table(place, "path,label", *six(3, 1.5, -2e3, 0, 7, 7)))
    assert (values.task, values.classes) == ("regression", [])
    assert values.targets == [3.0, 1.5, -2000.0, 0.0, 7.0, 7.0]
    assert read_table(table(place, "path,value", *six(1, 2, 3, 4, 5, 6))).task == "regression"
    assert read_table(table(place, "path,label", *six(1, 2, 3, 4, 5, 6)), "regression").task == "regression"


@pytest.mark.parametrize("word", ["nan", "inf", "-Infinity", "1e999"])
def test_what_is_no_number_is_a_name_or_refused(word: str, place: Path) -> None:
    assert word in read_table(table(place, "path,label", *six(1, 2, 1, 2, word, word))).classes
    with pytest.raises(DataError, match=f"'{word}' is not a number"):
        read_table(table(place, "path,value", *six(1, 2, 1, 2, word, word)))


@pytest.mark.parametrize(
    "cells", [("a;b", "b", "", "a|b", "b ; c", ";"), ("a|b", "b", "", "b|a", "c|b|c", "")]
)
def test_several_labels_a_cell(cells: tuple[str, ...], place: Path) -> None:
    data = read_table(table(place, "path,labels", *six(*cells)))
    assert (data.task, data.classes) == ("multilabel", ["a", "b", "c"])
    assert data.targets == [(0, 1), (1,), (), (0, 1), (1, 2), ()]
    assert data.counts() == {"a": 2, "b": 4, "c": 1}


def with_column(rows: list[str], *cells: str) -> list[str]:
    return [f"{row},{cell}" for row, cell in zip(rows, cells, strict=True)]


def test_splits_and_groups(place: Path) -> None:
    splits = with_column(six(*"ababab"), "train", "Training", "valid", "dev", "TEST", "testing")
    data = read_table(table(place, "path,label,split,group", *with_column(splits, *"xxyyzz")))
    assert [example.split for example in data.examples] == ["train", "train", "val", "val", "test", "test"]
    assert [example.group for example in data.examples] == list("xxyyzz")


@pytest.mark.parametrize(("header", "last"), [("path,label,split", "c"), ("path,labels,split", "a;c")])
def test_a_held_out_class_that_training_lacks_is_an_error(header: str, last: str, place: Path) -> None:
    rows = with_column(six(*"ababa", last), *["train"] * 4, "val", "val")
    with pytest.raises(DataError, match="class 'c' is in val but not in train") as caught:
        read_table(table(place, header, *rows))
    assert "a, b" in caught.value.hint


def test_rows_without_a_picture_are_told(place: Path) -> None:
    missing = ["gone.png,a", ",a", "x" * 300 + ".png,a", "a\\b.png,a"]
    data = read_table(table(place, "path,label", *six("a", "b", "a", "b", "a", "b"), *missing))
    assert len(data) + len(data.skipped) == 10
    assert {skipped.reason for skipped in data.skipped} == {"named in the table, and not there"}
    with pytest.raises(DataError, match="4 of 4 pictures are not there") as caught:
        read_table(table(place, "path,label", *missing))
    assert str(place) in caught.value.hint


def test_short_and_long_rows(place: Path) -> None:
    with pytest.raises(DataError, match="a picture without a label"):
        read_table(table(place, "path,label", *six("a", "b", "a", "b", "a"), "pictures/5.png"))
    assert len(read_table(table(place, "path,label", *[row + ",x,y" for row in six(*"ababab")]))) == 6


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "no rows"),
        (["path,label"], "no rows"),
        (["pat,label", "pictures/0.png,a"], "no column called path; it has pat, label"),
        (["path,animal", "pictures/0.png,a"], "no column called label"),
        (["path,label,split", "pictures/0.png,a,somewhere"], "'somewhere' in column split is no split"),
        (["path,label", '"' + "x" * 200_000], "cannot be read as a table"),
    ],
)
def test_what_cannot_be_used_says_why(rows: list[str], told: str, place: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_table(table(place, *rows))
    assert told in caught.value.message
    assert str(place / "labels.csv") in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_named(encoding: str, place: Path) -> None:
    with pytest.raises(DataError, match="cannot be read as a table") as caught:
        read_table(table(place, "path,label", *six("größe", "b", "a", "b", "a", "b"), encoding=encoding))
    assert "UTF-8" in caught.value.hint
