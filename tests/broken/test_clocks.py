"""Fault 41: a clock that jumps, and times of files that say nothing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from command_line import QUICK, Ask, command
from painted import paint
from preloaded import before, preloaded


@pytest.mark.fault(41)
@pytest.mark.parametrize("jump", [-7200, pytest.param(7200, marks=pytest.mark.slow)], ids=["back", "ahead"])
def test_a_clock_that_jumps_during_a_run_changes_neither_its_length_nor_what_it_tells(
    jump: int, photos: Path, tmp_path: Path
) -> None:
    """By two hours, before the training begins: as a laptop's that wakes up, or a machine's that finds its time."""
    preload = {"LD_PRELOAD": before(preloaded(tmp_path)), "CLOCK_JUMP": str(jump)}
    done = command(
        "train", "photos", *QUICK, "--json", cwd=tmp_path, CLOCK_FILE=str(tmp_path / "runs"), **preload
    )
    assert done.code == 0, done.err
    seconds = done.json["seconds"]
    assert all(0 <= value < 600 for value in seconds.values()), seconds


@pytest.mark.fault(41)
def test_the_last_run_is_the_one_begun_last_whatever_the_times_say(
    photos: Path, going: Ask, tmp_path: Path
) -> None:
    for _ in range(2):  # in one second, or nearly
        assert going("train", "photos", *QUICK).code == 0
    for number, time in ((1, 2_000_000_000), (2, 0)):
        run = tmp_path / f"runs/photos-00{number}"
        for path in (*run.rglob("*"), run):
            os.utime(path, (time, time))
    assert going("predict", "last", "photos/ant/00.png", "--out", "a.jsonl").code == 0
    model = json.loads((tmp_path / "a.jsonl").read_text())["model"]
    (tmp_path / "runs/photos-001").rename(tmp_path / "gone")
    assert going("predict", "last", "photos/ant/00.png", "--out", "b.jsonl").code == 0
    assert json.loads((tmp_path / "b.jsonl").read_text())["model"] == model
    assert going("train", "photos", *QUICK, "--json").json["run"] in ("runs/photos-003", "runs/photos-001")


@pytest.mark.fault(41)
@pytest.mark.skipif(sys.platform == "win32", reason="its file systems tell no time of change")
def test_pictures_changed_under_one_size_and_time_are_read_anew(
    photos: Path, going: Ask, tmp_path: Path
) -> None:
    """As an archive without times leaves them, in which a class's pictures were put right."""
    assert going("train", "photos", *QUICK[:1], "epochs=12", *QUICK[2:]).code == 0
    for name in ("ant", "bee"):
        (tmp_path / "shown" / name).mkdir(parents=True)
        for number in (60, 65, 70, 75):  # all 20 x 20
            paint(name, number).save(tmp_path / f"shown/{name}/{number}.bmp")
    bmp = sorted((tmp_path / "shown").rglob("*.bmp"))
    for file in bmp:
        os.utime(file, (0, 0))
    assert going("evaluate", "last", "shown", "--json").json["accuracy"]["value"] == 1
    contents = [file.read_bytes() for file in bmp]
    for file, content in zip(bmp, reversed(contents), strict=True):  # ants are bees now, and bees ants
        file.write_bytes(content)
        os.utime(file, (0, 0))
    assert going("evaluate", "last", "shown", "--json").json["accuracy"]["value"] == 0
