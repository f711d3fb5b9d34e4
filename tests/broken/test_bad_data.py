"""Folders that cannot be learned from, or only in part: an error, or a list of what is left out and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import QUICK, Ask, Done
from painted import paint_folder


def refused(done: Done, place: Path, *words: str) -> None:
    """A `DataError`, found before a run was begun."""
    done.refused(3, *words, "hint:")
    assert done.out == "" and not (place / "runs").exists()


def train(ask: Ask, data: str, *words: str) -> Done:
    return ask("train", data, *QUICK, *words)


def test_no_such_folder(photos: Path, ask: Ask, tmp_path: Path) -> None:
    refused(train(ask, "fotos"), tmp_path, "fotos: no such folder", "Did you mean photos?")
    refused(train(ask, "deep/er"), tmp_path, "deep/er: no such folder", "There is no deep")


def test_a_file_in_its_place(photos: Path, ask: Ask, tmp_path: Path) -> None:
    refused(train(ask, "photos/ant/00.png"), tmp_path, "photos/ant/00.png: ")


@pytest.mark.fault(18)
def test_an_empty_folder(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    refused(train(ask, "data"), tmp_path, "data: no pictures in it", "data/cats/1.jpg")


def test_no_pictures(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "data/ant").mkdir(parents=True)
    (tmp_path / "data/ant/notes.txt").write_text("ants")
    refused(train(ask, "data"), tmp_path, "data: no pictures in it")


@pytest.mark.fault(18)
def test_pictures_without_class_folders(photos: Path, ask: Ask, tmp_path: Path) -> None:
    # The folder of one class alone is a data set of one class.
    refused(train(ask, "photos/ant"), tmp_path, "one class to learn (ant)", "a folder of its own")


@pytest.mark.fault(18)
def test_one_class(ask: Ask, tmp_path: Path) -> None:
    paint_folder(tmp_path / "data", ant=9)
    (tmp_path / "data/bee").mkdir()
    refused(train(ask, "data"), tmp_path, "one class to learn (ant)", "at least two")


@pytest.mark.fault(17)
def test_no_picture_that_can_be_read(photos: Path, ask: Ask, tmp_path: Path) -> None:
    paint_folder(tmp_path / "data", ant=6, bee=6)
    for file in (tmp_path / "data").rglob("*.png"):
        file.write_bytes(file.read_bytes()[:60])
    refused(train(ask, "data"), tmp_path, "data: no picture can be read", ".png: damaged")


@pytest.mark.fault(19)
def test_a_validation_folder_with_one_class_more(ask: Ask, tmp_path: Path) -> None:
    paint_folder(tmp_path / "data/train", ant=6, bee=6)
    paint_folder(tmp_path / "data/val", ant=3, bee=3, cat=3)
    refused(train(ask, "data"), tmp_path, "class 'cat' is in val but not in train", "train has ant, bee")


def test_an_unknown_recipe_key(photos: Path, ask: Ask, tmp_path: Path) -> None:
    done = train(ask, "photos", "learnrate=1")
    done.refused(2, "no recipe field is called 'learnrate'", "hint:")
    (tmp_path / "mine.toml").write_text("lr = 0.1\nepohcs = 3\n")
    ask("train", "photos", "--recipe", "mine.toml").refused(2, "epohcs", "Did you mean epochs?")
    assert not (tmp_path / "runs").exists()


@pytest.mark.fault(19)
def test_a_validation_folder_that_lacks_a_class_is_matched_by_name(ask: Ask, tmp_path: Path) -> None:
    # By index, the only class of val, bee, would be taken for ant.
    paint_folder(tmp_path / "data/train", ant=12, bee=12, cat=12)
    paint_folder(tmp_path / "data/val", bee=6)
    done = ask("train", "data", "model=convnet", "epochs=8", "image_size=16", "batch_size=8", "--json")
    assert done.code == 0, done.err
    assert done.json["classes"] == ["ant", "bee", "cat"]
    report = done.json["report"]
    assert {row["name"]: row["count"] for row in report["per_class"]} == {"ant": 0, "bee": 6, "cat": 0}
    assert report["split"] == "val" and report["accuracy"]["value"] > 0.9


@pytest.mark.fault(22)
def test_two_pictures_in_a_class(ask: Ask, tmp_path: Path) -> None:
    paint_folder(tmp_path / "data", ant=12, bee=2, cat=1)
    done = train(ask, "data", "--json")
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "runs/data-001/facts.json").read_text(encoding="utf-8"))["data"]
    # One of two is held out, and a class's only picture is never taken from training.
    assert (facts["train"]["classes"]["bee"], facts["val"]["classes"]["bee"]) == (1, 1)
    assert (facts["train"]["classes"]["cat"], facts["val"]["classes"]["cat"]) == (1, 0)


@pytest.fixture
def spoiled(photos: Path) -> dict[str, str]:
    """Files among the good ones that have to be left out: name -> a word of the reason."""
    bee = photos / "bee"
    (bee / "empty.jpg").write_bytes(b"")
    texts = ["README", "notes.txt", "labels.xml", "licence.md"]
    for name in texts:
        (bee / name).write_text("bees")
    system = [".DS_Store", "bee/.DS_Store", "__MACOSX/bee/._00.png", "bee/Thumbs.db"]
    system += [".ipynb_checkpoints/00-checkpoint.png", "bee/.ipynb_checkpoints/00-checkpoint.png"]
    for name in system:
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes((bee / "00.png").read_bytes())
    spoiled = {"empty.jpg": "empty"} | dict.fromkeys(texts, "not a picture")
    return {f"bee/{name}": reason for name, reason in spoiled.items()} | dict.fromkeys(system, "system")


@pytest.mark.fault(20)
def test_spoiled_files_are_left_out_with_their_reasons(
    photos: Path, spoiled: dict[str, str], ask: Ask, tmp_path: Path
) -> None:
    found = sum(path.is_file() for path in photos.rglob("*"))
    done = train(ask, "photos", "--json")
    assert done.code == 0, done.err
    reasons = {one["file"]: one["reason"] for one in done.json["skipped"]}
    assert set(reasons) == {f"photos/{name}" for name in spoiled}
    for name, reason in spoiled.items():
        assert reason in reasons[f"photos/{name}"], name
    assert done.json["classes"] == ["ant", "bee"]
    facts = json.loads((tmp_path / "runs/photos-001/facts.json").read_text(encoding="utf-8"))["data"]
    assert facts["train"]["count"] + facts["val"]["count"] + len(facts["skipped"]) == found
    assert "empty.jpg" in done.err and "DS_Store" not in done.err  # what can be mended is told first
    # predict passes over the system's files and what is no picture by its name.
    rows = {row["file"]: row for row in ask("predict", "last", "photos", "--json").rows}
    assert [name for name in rows if "error" in rows[name]] == ["photos/bee/empty.jpg"]
    assert len(rows) == found - 10 and "photos/__MACOSX/bee/._00.png" not in rows


@pytest.mark.fault(20)
def test_inspect_lists_what_is_not_used(photos: Path, spoiled: dict[str, str], ask: Ask) -> None:
    done = ask("inspect", "photos", "--json")
    text = json.dumps(done.json)
    assert all(f"photos/{name}" in text for name in spoiled if "system" in spoiled[name])
