"""Copies that went through what copies go through are found, and pictures that are only alike are not.

The small version of bench/planted.py, whose pictures are photos.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from altered import ALTERATIONS, LOSSLESS, burst, product, saved, scene
from command_line import command
from PIL import Image

from lensmith.audit.look import Inspection, look
from lensmith.data.sources import load_data
from lensmith.types import Event

EACH = 2


def result(going: Iterable[Event]) -> Inspection:
    steps = iter(going)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Inspection = end.value
            return found


def write(folder: Path, name: str, content: bytes) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(content)
    return str(file)


def groups(found: Inspection) -> set[frozenset[str]]:
    return {frozenset(str(found.data.examples[row].source) for row in group) for group in found.groups}


@pytest.mark.parametrize(("size", "share"), [((160, 120), 1.0), ((32, 32), 0.9)], ids=["photos", "small"])
def test_altered_copies_are_found_and_nothing_else_is(
    size: tuple[int, int], share: float, tmp_path: Path
) -> None:
    """Of tiny pictures a codec leaves too little to find every one."""
    draw, true, seed = np.random.default_rng(3), set(), 0
    for kind, alter in ALTERATIONS.items():
        for number in range(EACH):
            seed += 1
            photo = scene(seed).resize(size, Image.Resampling.BOX)
            one = write(tmp_path / "a", f"{kind} {number}", saved(photo, "PNG"))
            copy = write(tmp_path / "a", f"{kind} {number} copy", alter(photo, draw))
            true.add(frozenset((one, copy)))
    for number in range(3 * EACH):
        for moment, photo in zip("ab", burst(scene(1000 + number, (160, 120)), draw), strict=True):
            content = saved(photo.resize(size, Image.Resampling.BOX), "PNG")
            write(tmp_path / "b", f"burst {number} {moment}", content)
    found = result(look(load_data(tmp_path)))
    assert groups(found) <= true and len(groups(found)) >= share * len(true)
    assert {issue.name for issue in found.issues} == {"near duplicate"}


@pytest.mark.parametrize(("side", "count"), [(160, 40), (32, 120)], ids=["photos", "small"])
def test_things_of_one_kind_before_a_white_wall_are_no_copies(side: int, count: int, tmp_path: Path) -> None:
    """What is as near to many is a copy of none; what was saved anew is nearer than all of them."""
    for number in range(count):
        mug = product(number).resize((side, side), Image.Resampling.BOX)
        write(tmp_path / "ab"[number % 2], f"{number}.png", saved(mug, "PNG"))
    assert not groups(result(look(load_data(tmp_path))))
    photo = scene(5, (side, side))
    twins = frozenset(write(tmp_path / "a", f"scene.{kind}", saved(photo, kind)) for kind in ("PNG", "JPEG"))
    assert groups(result(look(load_data(tmp_path)))) == {twins}


def test_copies_saved_without_loss_are_equal(tmp_path: Path) -> None:
    picture = Image.open(write(tmp_path, "first.jpg", saved(scene(1)))).convert("RGB")
    (tmp_path / "first.jpg").rename(tmp_path / "picture.jpg")
    names = {write(tmp_path / "a", f"one.{kind}", save(picture)) for kind, save in LOSSLESS.items()}
    names.add(write(tmp_path / "a", "one.jpg", (tmp_path / "picture.jpg").read_bytes()))
    (tmp_path / "picture.jpg").unlink()
    write(tmp_path / "b", "other.jpg", saved(scene(2)))
    found = result(look(load_data(tmp_path)))
    assert groups(found) == {frozenset(names)}
    (issue,) = [issue for issue in found.issues if issue.name != "thin class"]
    assert issue.name == "duplicate" and {file for group in issue.files for file in group} == names


def test_a_near_copy_in_another_split_is_a_leak_and_with_another_label_a_conflict(tmp_path: Path) -> None:
    for number, name in enumerate(("train/a", "train/b", "val/a", "val/b")):
        write(tmp_path / name, "own.png", saved(scene(number), "PNG"))
    kept = write(tmp_path / "train/a", "kept.png", saved(scene(10), "PNG"))
    leaked = write(
        tmp_path / "val/a", "leaked.jpg", ALTERATIONS["mirrored"](scene(10), np.random.default_rng(0))
    )
    one = write(tmp_path / "train/a", "one.png", saved(scene(11), "PNG"))
    other = write(
        tmp_path / "train/b", "other.jpg", ALTERATIONS["half as large"](scene(11), np.random.default_rng(0))
    )
    found = result(look(load_data(tmp_path)))
    issues = {issue.name: issue for issue in found.issues if issue.name != "thin class"}
    assert set(issues) == {"leak", "conflict"}
    assert issues["leak"].files == [[kept, leaked]] and issues["leak"].severity == "error"
    assert "1 of 3 pictures in val" in issues["leak"].detail
    assert issues["conflict"].files == [[one, other]]
    assert all(issue.hint for issue in found.issues)


def test_groups_of_near_copies_are_rows_of_the_data(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "a", "1.png", saved(scene(1), "PNG")),
        write(tmp_path / "a", "2.png", saved(scene(2), "PNG")),
    ]
    files += [
        write(tmp_path / "b", "3.jpg", saved(scene(1), quality=60)),
        write(tmp_path / "b", "4.png", b"broken"),
    ]
    data = load_data(tmp_path)
    steps = look(data)
    with pytest.raises(StopIteration) as end:
        while True:
            next(steps)
    assert [[str(data.examples[row].source) for row in rows] for rows in end.value.value.groups] == [
        [files[0], files[2]]
    ]


def test_a_split_that_is_asked_to_keeps_near_copies_on_one_side(tmp_path: Path) -> None:
    """Also where the pictures came after the file was written."""
    photos = tmp_path / "photos"
    for number in range(30):
        write(photos / "ab"[number % 2], f"{number}.png", saved(scene(number), "PNG"))
    copies = {
        write(photos / "ab"[number % 2], f"{number} copy.jpg", saved(scene(number), quality=60)): number
        for number in range(12)
    }

    def split(*words: str) -> tuple[dict[str, str], str]:
        out = f"{len(list(tmp_path.glob('*.csv')))}.csv"
        done = command("split", "photos", *words, "-o", out, cwd=tmp_path)
        assert done.code == 0, done.err
        with (tmp_path / out).open(newline="") as file:
            return {Path(row["path"]).stem: row["split"] for row in csv.DictReader(file)}, done.out

    apart, _ = split("val_fraction=0.4")
    assert any(apart[str(number)] != apart[f"{number} copy"] for number in copies.values())
    whole, said = split("val_fraction=0.4", "--copies")
    assert "equal pictures and near copies kept together" in said
    assert all(whole[str(number)] == whole[f"{number} copy"] for number in copies.values())
    for copy in copies:
        Path(copy).rename(tmp_path / Path(copy).name)
    before, _ = split("val_fraction=0.4")
    for copy, number in copies.items():
        (tmp_path / Path(copy).name).rename(copy)
        assert str(number) in before
    after, _ = split("splits=2.csv", "--copies")
    assert all(after[f"{number} copy"] == before[str(number)] for number in copies.values())


def test_what_was_decided_can_be_inspected(tmp_path: Path) -> None:
    for number in range(12):
        write(tmp_path / "photos" / "ab"[number % 2], f"{number}.png", saved(scene(number), "PNG"))
    write(tmp_path / "photos/b", "copy.jpg", saved(scene(0), quality=60))
    (tmp_path / "decisions.csv").write_text("path,decision\nb/copy.jpg,drop\n", encoding="utf-8")
    words = ("inspect", "photos", "--no-suspects", "--json", "--fail-on", "conflict")
    assert command(*words, cwd=tmp_path).code == 1
    done = command(*words, "decisions=decisions.csv", cwd=tmp_path)
    assert done.code == 0 and json.loads(done.out)["count"] == 12
