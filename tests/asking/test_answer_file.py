"""A file of answers: what it is after every way to stop, and what it refuses to be mixed with."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import pytest

from lensmith.asking.answer_file import answer_file
from lensmith.errors import PictureError, UsageError
from lensmith.types import Prediction

MODEL, OTHER = "ab" * 32, "cd" * 32
NAMES = [
    "a.jpg",
    "b c.jpg",
    'say "hi", you.jpg',
    "two\nlines.jpg",
    "käfer/虫.jpg",
    "x\r.jpg",
    os.fsdecode(b"\xff\xfe.jpg"),
]
SURE = Prediction("bee, or not", 0.1 + 0.2, True, (("bee, or not", 0.3), ("ant", 0.7)))


def fill(path: Path, names: list[str], model: str = MODEL, failing: tuple[str, ...] = ()) -> list[str]:
    """Answer what is not answered there yet; which those were."""
    with answer_file(path, model) as file:
        new = [name for name in names if file.is_new(name)]
        for name in new:
            bad = name in failing
            file.write([(name, PictureError(name, "damaged, or so") if bad else SURE, "")])
    return new


def names_in(path: Path) -> list[str]:
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as opened:
            return [row["file"] for row in csv.DictReader(opened)]
    return [json.loads(line)["file"] for line in path.read_bytes().splitlines()]


@pytest.fixture(params=["answers.csv", "answers.jsonl"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def test_every_name_comes_back_and_is_not_asked_again(file: Path) -> None:
    assert fill(file, NAMES + NAMES[:2]) == NAMES
    before = file.read_bytes()
    assert fill(file, NAMES) == [] and file.read_bytes() == before
    assert fill(file, [*NAMES, "new.jpg", str(file.parent / "new.jpg")])[:1] == ["new.jpg"]
    assert names_in(file)[: len(NAMES)] == NAMES


def test_a_member_is_no_file_beside_its_archive(file: Path) -> None:
    names = [
        "1.jpg",
        "p.zip!1.jpg",
        "p.zip!a/../1.jpg",
        "p.zip!../1.jpg",
        "q!.zip!1.jpg",
        "p.zip/1.jpg",
        "p.jpg!1.jpg",
    ]
    assert fill(file, names) == names
    assert fill(file, [*names, "./p.zip!1.jpg", "./1.jpg", "a/../p.jpg!1.jpg"]) == []


def test_the_forms_are_those_of_stdout_with_the_model(tmp_path: Path) -> None:
    fill(tmp_path / "a.csv", ["a.jpg", "b.jpg"], failing=("b.jpg",))
    assert (tmp_path / "a.csv").read_text() == (
        "file,label,probability,sure,unlike,error,model,place\n"
        'a.jpg,"bee, or not",0.30000000000000004,true,false,,abababababababab,\n'
        'b.jpg,,,,,"damaged, or so",abababababababab,\n'
    )
    fill(tmp_path / "a.jsonl", ["a.jpg", "b.jpg"], failing=("b.jpg",))
    first, second = (json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines())
    assert first == {"file": "a.jpg", **json.loads(json.dumps(SURE.as_dict())), "model": "ab" * 8}
    assert second == {"file": "b.jpg", "error": "damaged, or so", "model": "ab" * 8}


def test_cut_off_at_any_byte_it_ends_as_if_nothing_had_been(file: Path, tmp_path: Path) -> None:
    fill(file, NAMES)
    whole = file.read_bytes()
    cut = tmp_path / f"cut{file.suffix}"
    for end in range(0, len(whole), 3):
        cut.write_bytes(whole[:end])
        fill(cut, NAMES)
        assert cut.read_bytes() == whole, f"cut at {end}"


def test_what_a_power_cut_leaves_is_asked_again(file: Path) -> None:
    fill(file, ["a.jpg", "b.jpg"])
    whole = file.read_bytes()
    file.write_bytes(whole + bytes(300))
    assert fill(file, ["a.jpg", "b.jpg"]) == [] and file.read_bytes() == whole
    place = whole.index(b"a.jpg")
    file.write_bytes(whole[:place] + bytes(9) + b"\n" + whole[place:] + bytes(99) + b"\n")
    again = fill(file, ["a.jpg", "b.jpg"])
    assert "b.jpg" not in again and sorted(names_in(file)) == ["a.jpg", "b.jpg"]


def test_what_could_not_be_read_is_asked_again(file: Path) -> None:
    names = [f"{n}.jpg" for n in range(40)]
    assert fill(file, names, failing=("0.jpg", "7.jpg", "8.jpg", "39.jpg")) == names
    assert fill(file, names, failing=("7.jpg",)) == ["0.jpg", "7.jpg", "8.jpg", "39.jpg"]
    assert fill(file, names) == ["7.jpg"]
    assert sorted(names_in(file)) == sorted(names)
    assert b"error" not in file.read_bytes().splitlines()[-1] and list(file.parent.iterdir()) == [file]


def test_answers_of_another_model_are_not_mixed(file: Path) -> None:
    fill(file, ["a.jpg"])
    before = file.read_bytes()
    with pytest.raises(UsageError, match="another model") as caught:
        fill(file, ["b.jpg"], model=OTHER)
    assert "another file" in caught.value.hint and file.read_bytes() == before


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize(
    "content",
    [
        b"path,label\na.jpg,bee\n",
        b"my thesis",
        b"file,label,probability,sure,error\na.jpg,bee,0.9,true,\n",
        b'{"file": "a.jpg", "label": "bee", "probability": 0.9}\n',
        b"\n",
    ],
)
def test_what_is_none_of_ours_is_not_touched(suffix: str, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / f"mine{suffix}"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="something else"):
        fill(file, ["a.jpg"])
    assert file.read_bytes() == content


def test_names_that_cannot_be_a_file_of_answers(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name, words in (
        ("a.txt", "CSV or JSON Lines"),
        ("folder.csv", "a folder"),
        ("no/a.csv", "no such folder"),
    ):
        with pytest.raises(UsageError, match=words):
            fill(tmp_path / name, ["a.jpg"])


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX locks")
def test_two_at_once_do_not_write_one_file(file: Path) -> None:
    with answer_file(file, MODEL), pytest.raises(UsageError, match="another process"):
        fill(file, ["a.jpg"])
    assert fill(file, ["a.jpg"]) == ["a.jpg"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_to_a_file_stays_one(file: Path, tmp_path: Path) -> None:
    link = tmp_path / f"link{file.suffix}"
    link.symlink_to(file)
    names = ["a.jpg", "b.jpg", "c.jpg"]
    fill(link, names, failing=("b.jpg",))
    assert fill(link, names) == ["b.jpg"]
    assert link.is_symlink() and sorted(names_in(file)) == names
