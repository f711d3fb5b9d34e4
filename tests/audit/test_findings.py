"""What `inspect` finds in pictures, and what the command makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from altered import saved, scene
from command_line import command
from painted import paint, paint_folder
from PIL import Image, ImageEnhance, ImageFilter

from lensmith.audit.inspect import NAMES, Issue, inspect
from lensmith.data.dataset import Example, ImageDataset, Skipped
from lensmith.data.sources import load_data


def put(file: Path, content: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of a dozen sound photos each."""
    for number in range(24):
        put(tmp_path / "photos" / "ab"[number % 2] / f"{number:02d}.png", saved(scene(number), "PNG"))
    return tmp_path / "photos"


def test_a_sound_folder_has_nothing_against_it(photos: Path) -> None:
    done = command("inspect", photos, cwd=photos.parent)
    assert done.code == 0 and "nothing found against it" in done.out and "Traceback" not in done.err
    assert "a 12, b 12; always saying a is right for 50.0%" in done.out and "all 200 x 150" in done.out
    assert "RGB 24" in done.out


def test_each_fault_by_its_name(photos: Path) -> None:
    rng = np.random.default_rng(0)
    wall = Image.fromarray(rng.integers(198, 202, (150, 200, 3)).astype(np.uint8))
    planted = {
        "blank": put(photos / "a/wall.png", saved(wall, "PNG")),
        "dark": put(photos / "a/night.png", saved(ImageEnhance.Brightness(scene(50)).enhance(0.15), "PNG")),
        "blurred": put(photos / "a/hazy.png", saved(scene(51).filter(ImageFilter.GaussianBlur(5)), "PNG")),
        "odd size": put(photos / "a/banner.png", saved(scene(52, (1200, 60)), "PNG")),
        "unreadable": put(photos / "b/half.jpg", saved(scene(53))[:900]),
        "unused": put(photos / "b/notes.txt", b"words"),
    }
    put(photos / "b/grey.png", saved(scene(54).convert("L"), "PNG"))
    done = command("inspect", "photos", "--json", cwd=photos.parent)
    facts = done.json
    found = {issue["name"]: issue["files"] for issue in facts["issues"]}
    assert set(found) == set(planted), found
    for name, file in planted.items():
        ((told,),) = found[name]
        assert told.split(": ")[0] == str(file.relative_to(photos.parent)), name
    assert done.code == 0 and all(issue["hint"] for issue in facts["issues"])
    assert {Path(one["file"]).name for one in facts["skipped"]} == {"half.jpg", "notes.txt"}
    assert all(one["reason"] for one in facts["skipped"])
    assert facts["modes"] == {"RGB": 28, "L": 1} and facts["sizes"]["largest"] == [1200, 60]
    assert facts["baseline"] == {"class": "a", "count": 16, "of": 30, "share": 16 / 30}


def test_fail_on_decides_what_ends_with_1(photos: Path) -> None:
    put(photos / "b/half.jpg", saved(scene(53))[:900])
    put(photos / "a/again.png", saved(scene(1), "PNG"))  # of class b
    where = photos.parent
    assert command("inspect", "photos", cwd=where).code == 1  # contradicting labels are an error
    assert command("inspect", "photos", "--fail-on", "unreadable", cwd=where).code == 1
    assert command("inspect", "photos", "--fail-on", "leak, near-duplicate", cwd=where).code == 0
    wrong = command("inspect", "photos", "--fail-on", "leak,unreadible", cwd=where)
    wrong.refused(2, "'unreadible'", "Did you mean unreadable?")
    command("inspect", "photos", "--fail-on", ",", cwd=where).refused(2, "names no issue", "near-duplicate")


def test_lines_fit_a_terminal_and_the_gravest_come_first(photos: Path) -> None:
    put(photos / "a/again.png", saved(scene(1), "PNG"))
    put(photos / "b/half.jpg", saved(scene(53))[:900])
    done = command("inspect", "photos", cwd=photos.parent)
    lines = done.out.splitlines()
    assert max(map(len, lines)) < 80
    begins = [line.split(" ")[0] for line in lines if line.startswith(("error", "warning", "info", "next"))]
    assert [word for word in begins if word != "info"] == ["error", "warning", "next"]
    assert "a/again.png = b/01.png" in done.out  # as they lie in the folder


def test_a_group_in_two_splits(tmp_path: Path) -> None:
    file = put(tmp_path / "a.png", saved(scene(1), "PNG"))
    other = put(tmp_path / "b.png", saved(scene(2), "PNG"))
    third = put(tmp_path / "c.png", saved(scene(3), "PNG"))
    rows = [
        Example(file, 0, "train", "anna"),
        Example(other, 0, "val", "anna"),
        Example(third, 0, "val", "ben"),
    ]
    (issue,) = [issue for issue in inspect(ImageDataset(rows, ["x"])) if issue.severity == "error"]
    assert issue.name == "group leak" and "anna" in issue.detail and "ben" not in issue.detail
    assert issue.files == [[str(file), str(other)]]


def test_what_others_could_not_read_is_told(tmp_path: Path) -> None:
    data = load_data(paint_folder(tmp_path / "data", ant=12, bee=12))
    assert inspect(data) == []
    (issue,) = inspect(data, [Skipped("x.jpg", "damaged")])
    assert issue.name == "unreadable" and issue.files == [["x.jpg: damaged"]]


def test_every_name_can_be_asked_for_and_issues_have_a_json_form() -> None:
    issue = Issue("leak", "error", "words", [["a", "b"]], "next step")
    assert json.loads(json.dumps(issue.as_dict()))["hint"] == "next step"
    assert issue.name in NAMES


def test_a_data_set_without_files_is_looked_at_too() -> None:
    from lensmith.audit.look import look

    class Mine:
        def __init__(self) -> None:
            self.rows = [(paint("ant", 1), 0), (paint("ant", 1), 0), (paint("bee", 2), 1)]

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, index: int) -> tuple[Image.Image, int]:
            return self.rows[index]

    going = look(load_data(Mine()))
    with pytest.raises(StopIteration) as end:
        while True:
            next(going)
    assert end.value.value.groups == [[0, 1]] and end.value.value.modes == {"own": 3}
