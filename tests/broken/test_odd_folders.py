"""Faults 15 to 17 and 21: names, links and rights of files, and one picture on both sides of a split."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from command_line import QUICK, Ask, command, tree
from confined import without_a_home, without_root_s_rights
from drawn import draw
from painted import paint, paint_folder
from PIL import Image

import lensmith as lm

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX names, links and rights")

CLASSES = {"größe 🐈": "ant", "new\nline": "bee", "CON": "cat"}
NAMES = [
    "emoji 🐝.png",
    "line\nbreak.png",
    "a" * 251 + ".png",
    "-dash.png",
    "aux.png",
    "[x]*?.png",
    " x .png",
]


@POSIX
@pytest.mark.fault(15, 34)
def test_odd_names_go_through_every_command_where_letters_are_ascii_and_nobody_has_a_home(
    tmp_path: Path,
) -> None:
    """The account is unknown, HOME and TERM are not set, LANG is C, and there is no terminal."""
    under, latin = without_a_home(), [os.fsdecode(b"caf\xe9.png")] if sys.platform == "linux" else []
    for name, painted in CLASSES.items():
        (tmp_path / "odd data" / name).mkdir(parents=True)
        for number, file in enumerate([*NAMES, *latin, *"123456"]):
            with (tmp_path / "odd data" / name / file).open("wb") as opened:
                paint(painted, number).save(opened, "PNG")
    before = tree(tmp_path / "odd data")
    count = len(CLASSES) * len([*NAMES, *latin, *"123456"])
    done = command("train", "odd data", *QUICK, "--json", cwd=tmp_path, under=under)
    assert done.code == 0, done.err
    assert done.json["skipped"] == [] and done.json["classes"] == sorted(CLASSES)
    run = next((tmp_path / "runs").glob("odd*"))
    facts = json.loads((run / "facts.json").read_text(encoding="utf-8"))["data"]
    assert facts["train"]["count"] + facts["val"]["count"] == count
    asked = ("predict", "last", "odd data", "--sort", "sorted")
    done = command(*asked, cwd=tmp_path, under=under)
    assert done.code == 0 and "Traceback" not in done.err, done.err
    placed = [path for path in (tmp_path / "sorted").rglob("*.png") if path.is_file()]
    assert sorted(path.read_bytes() for path in placed) == sorted(
        path.read_bytes() for path in (tmp_path / "odd data").rglob("*.png")
    ), "each picture is placed once"
    done = command("predict", "last", "odd data", "--json", cwd=tmp_path, under=under)
    assert done.code == 0 and all("label" in row for row in done.rows) and len(done.rows) == count - 18
    assert tree(tmp_path / "odd data") == before


@POSIX
@pytest.mark.fault(16)
def test_links_in_a_circle_and_out_of_the_folder_are_not_followed_and_named(tmp_path: Path) -> None:
    photos = paint_folder(tmp_path / "photos", ant=6, bee=6)
    draw(tmp_path / "private/secret.png")
    links = {
        "ant/round": photos / "ant",
        "bee/out": tmp_path / "private",
        "all": photos,
        "self": photos / "self",
        "bee/lost.png": tmp_path / "nowhere.png",
    }
    for name, target in links.items():
        (photos / name).symlink_to(target)
    done = command("inspect", "photos", "--no-suspects", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    told = {one["file"]: one["reason"] for one in done.json["skipped"]}
    assert set(told) == {f"photos/{name}" for name in links}
    assert all("not followed" in told[f"photos/{name}"] for name in ("ant/round", "bee/out", "all"))
    assert all("not an ordinary file" in told[f"photos/{name}"] for name in ("self", "bee/lost.png"))
    assert "secret" not in done.out


@POSIX
@pytest.mark.fault(17)
def test_what_nobody_may_read_is_left_out_and_taken_again_once_it_may_be_read(tmp_path: Path) -> None:
    photos, under = paint_folder(tmp_path / "photos", ant=14, bee=14), without_root_s_rights()
    closed = [photos / "bee/03.png", photos / "bee/04.png"]
    for file in closed:
        file.chmod(0)
    words = ("train", "photos", *QUICK, "--json")
    done = command(*words, cwd=tmp_path, under=under)
    assert done.code == 0, done.err
    told = {one["file"]: one["reason"] for one in done.json["skipped"]}
    assert told == {f"photos/bee/{n}.png": "cannot be opened (Permission denied)" for n in ("03", "04")}
    # Nothing of their content or time has changed.
    for file in closed:
        file.chmod(0o644)
    assert command(*words, cwd=tmp_path, under=under).json["skipped"] == []


@POSIX
@pytest.mark.fault(17)
def test_most_of_the_pictures_unreadable_is_no_training(tmp_path: Path) -> None:
    photos, under = paint_folder(tmp_path / "photos", ant=14, bee=14), without_root_s_rights()
    for number, file in enumerate(sorted(photos.rglob("*.png"))):
        file.chmod(0o644 if number % 3 == 0 else 0)
    done = command("train", "photos", *QUICK, cwd=tmp_path, under=under)
    done.refused(3, "photos: only ", "can be read", "hint: lensmith inspect")
    assert not (tmp_path / "runs").exists()


@POSIX
@pytest.mark.fault(17)
def test_pictures_that_vanish_during_the_run_are_left_out_and_named(tmp_path: Path) -> None:
    photos = paint_folder(tmp_path / "photos", ant=14, bee=14)
    data = lm.load_data(photos)
    gone = [photos / "ant/02.png", photos / "bee/07.png"]
    for file in gone:
        file.unlink()
    fields = {"model": "convnet", "epochs": 1, "image_size": 16, "batch_size": 8}
    run = lm.train(data, out=tmp_path / "run", quiet=True, **fields)
    told = {one["file"]: one["reason"] for one in run.directory.facts()["data"]["skipped"]}
    assert set(told) == set(map(str, gone))
    assert all("cannot be opened (No such file" in reason for reason in told.values())


@pytest.mark.fault(21)
def test_one_picture_in_training_and_in_test_is_named_with_both_paths(going: Ask, tmp_path: Path) -> None:
    train = paint_folder(tmp_path / "data/train", ant=14, bee=14)
    test = paint_folder(tmp_path / "data/test", ant=0, bee=0)
    for number in range(40, 46):
        for name in ("ant", "bee"):
            paint(name, number).save(test / name / f"{number}.png")
    shutil.copy(train / "ant/03.png", test / "ant/again.png")
    with Image.open(train / "bee/04.png") as image:
        image.save(test / "bee/encoded anew.bmp")  # other bytes, equal pixels
    before = tree(tmp_path / "data")
    done = going("inspect", "data", "--no-suspects", "--fail-on", "leak", "--json")
    assert done.code == 1 and tree(tmp_path / "data") == before
    (leak,) = (issue for issue in done.json["issues"] if issue["name"] == "leak")
    assert leak["severity"] == "error" and leak["hint"]
    told = {frozenset(Path(file).name for file in files) for files in leak["files"]}
    assert told == {frozenset({"03.png", "again.png"}), frozenset({"04.png", "encoded anew.bmp"})}
    trained = going("train", "data", *QUICK)
    assert trained.code == 0 and "leak" in trained.err, trained.err
    page = (tmp_path / "runs/data-001/report.html").read_text(encoding="utf-8")
    assert "again.png" in page and "leak" in page
