"""Pictures by label: each in one place, nothing written over, names that any file system takes."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from lensmith.asking.answer_file import Seen
from lensmith.asking.prediction import Answer
from lensmith.asking.sorting import Sorter, check_folder, make_folder, safe_name
from lensmith.errors import PictureError, UsageError
from lensmith.pictures.asked import Asked
from lensmith.types import Prediction


def said(label: str, sure: bool = True) -> Prediction:
    return Prediction(label, 0.9, sure, ((label, 0.9),))


def put(sorter: Sorter, source: Path, label: str = "bee", sure: bool = True) -> Path:
    prediction = said(label, sure)
    return Path(sorter.put(Answer(Asked(str(source), source), prediction), prediction))


def put_bytes(sorter: Sorter, name: str, content: bytes, member: str = "") -> Path:
    asked = Asked(name, lambda: content, member)
    return Path(sorter.put(Answer(asked, said("bee"), io.BytesIO(content)), said("bee")))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    place = tmp_path / "source"
    for name in ("a/1.jpg", "b/1.jpg", "b/2.jpg", "c/1.jpg"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"one" if name.endswith("1.jpg") else b"two")
    return place


def test_copies_by_label_and_what_is_not_sure_by_itself(source: Path, tmp_path: Path) -> None:
    sorter = Sorter(tmp_path / "out", ["bee", "ant"], Seen())
    os.utime(source / "a/1.jpg", ns=(10**18, 10**18))
    placed = put(sorter, source / "a/1.jpg")
    assert placed == tmp_path / "out/bee/1.jpg" and placed.read_bytes() == b"one"
    assert placed.stat().st_mtime_ns == 10**18 and not placed.samefile(source / "a/1.jpg")
    assert put(sorter, source / "b/2.jpg", sure=False) == tmp_path / "out/not sure/2.jpg"
    assert (source / "a/1.jpg").exists()


def test_pictures_of_one_name_get_places_of_their_own_even_if_equal(source: Path, tmp_path: Path) -> None:
    places, out = Seen(), tmp_path / "out"
    sorter = Sorter(out, ["bee"], places)
    placed = [put(sorter, source / name) for name in ("a/1.jpg", "b/1.jpg", "c/1.jpg")]
    assert len(set(placed)) == 3 and all(place.read_bytes() == b"one" for place in placed)
    assert {place.suffix for place in placed} == {".jpg"}
    assert put(Sorter(out, ["bee"], places), source / "b/2.jpg").name == "2.jpg"


def test_what_a_stopped_run_placed_and_did_not_write_down_is_taken_over(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = put(Sorter(out, ["bee"], Seen()), source / "a/1.jpg")
    (out / ".lensmith.part").write_bytes(b"half")
    assert put(Sorter(out, ["bee"], Seen()), source / "a/1.jpg") == first
    assert len(list(out.rglob("*.jpg"))) == 1


def test_files_of_others_are_not_written_over(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out/bee/1.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"MINE")
    placed = put(Sorter(tmp_path / "out", ["bee"], Seen()), source / "a/1.jpg")
    (tmp_path / "out/ant").write_bytes(b"MINE")
    with pytest.raises(UsageError, match="a file"):
        put(Sorter(tmp_path / "out", ["ant"], Seen()), source / "a/1.jpg", "ant")
    assert mine.read_bytes() == b"MINE" and placed != mine and placed.read_bytes() == b"one"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_links(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (source / "link.jpg").symlink_to("b/2.jpg")
    sorter = Sorter(Path("out"), ["bee"], Seen(), link=True)
    assert put(sorter, Path("source/a/1.jpg")).samefile(source / "a/1.jpg")
    placed = put(sorter, Path("source/link.jpg"))
    assert placed.samefile(source / "b/2.jpg") and not placed.is_symlink()

    def refuse(*_: object) -> None:
        raise OSError(18, "another disk")

    monkeypatch.setattr(os, "link", refuse)
    far = put(Sorter(Path("far"), ["bee"], Seen(), link=True), Path("source/a/1.jpg"))
    assert far.is_symlink() and far.samefile(source / "a/1.jpg")
    assert put_bytes(sorter, "p.zip!x.jpg", b"three", "x.jpg").read_bytes() == b"three"


def test_members_and_urls_keep_the_end_of_their_names(tmp_path: Path) -> None:
    sorter = Sorter(tmp_path / "out", ["bee"], Seen())
    assert put_bytes(sorter, "p.zip!a/../../x.jpg", b"1", "a/../../x.jpg") == tmp_path / "out/bee/x.jpg"
    assert put_bytes(sorter, "p.zip!y.jpg", b"2", "y.jpg").name == "y.jpg"
    assert put_bytes(sorter, "p.zip!C:\\z.jpg", b"3", "C:\\z.jpg").name == "z.jpg"
    assert put_bytes(sorter, "https://a.org/k%C3%A4fer.png?x=/..", b"4").name == "käfer.png"
    for name in ("https://a.org", "-", "p.zip!..", "https://a.org/%2e%2e", "https://a.org/a%00b.jpg"):
        placed = put_bytes(sorter, name, name.encode(), name.partition("!")[2])
        assert placed.parent == tmp_path / "out/bee" and placed.read_bytes() == name.encode()


@pytest.mark.parametrize(
    "label",
    [
        "..",
        ".",
        "",
        "a/b",
        "a\\b",
        "/etc",
        "con",
        "NUL.x",
        "a:b",
        "a ",
        "a.",
        "x" * 300,
        "虫" * 100,
        "\0",
        "a\nb",
        ".git",
        "?",
        "\udcff",
    ],
)
def test_a_label_that_is_no_name_for_a_folder(label: str, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sorter = Sorter(out, [label, f"{label}!"], Seen())
    placed = put(sorter, source / "a/1.jpg", label)
    assert placed.parent.parent == out and placed.read_bytes() == b"one"
    name = placed.parent.name
    assert len(name.encode()) < 100 and not set(name) & set('<>:"/\\|?*\n\0') and name == name.strip(". ")
    assert sorter.folder_for(said(f"{label}!")) != name


def test_labels_that_a_file_system_may_not_tell_apart(source: Path, tmp_path: Path) -> None:
    names = ["Bee", "bee", "Käfer", "Ka\u0308fer", "not sure", "Not Sure", "answers.csv", "ant"]
    sorter = Sorter(tmp_path / "out", names, Seen())
    folders = [sorter.folder_for(said(name)) for name in names]
    assert len({name.casefold() for name in [*folders, "not sure", "answers.csv"]}) == len(names) + 2
    assert folders[-1] == "ant" and sorter.folder_for(said("bee", sure=False)) == "not sure"
    assert safe_name("Bees of 2024") == "Bees of 2024"


def test_nothing_is_written_where_pictures_come_from(source: Path, tmp_path: Path) -> None:
    for out in (source, source / "sorted", source / "a/../sorted", tmp_path / "source"):
        with pytest.raises(UsageError, match="where the pictures come from"):
            check_folder(out, [source])
    check_folder(tmp_path / "sources", [source])
    with pytest.raises(UsageError, match="a file"):
        check_folder(source / "a/1.jpg/new", [])
    with pytest.raises(UsageError, match="numbers"):
        make_folder(tmp_path / "new", "regression")
    assert not (tmp_path / "new").exists()
    with pytest.raises(UsageError, match="where pictures are sorted to"):
        put(Sorter(tmp_path, ["bee"], Seen()), source / "a/1.jpg")


def test_a_picture_that_went_away_is_its_own_trouble(source: Path, tmp_path: Path) -> None:
    for link in (False, True):
        with pytest.raises(PictureError):
            put(Sorter(tmp_path / "out", ["bee"], Seen(), link=link), source / "gone.jpg")
