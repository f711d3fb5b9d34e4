"""Faults 1 to 14: a folder with every kind of faulty picture, through train, predict, inspect, evaluate, serve."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from command_line import COMMAND, QUICK, command, environment, serving, tree
from drawn import encoded, noise
from faulty_pictures import ONLY_ASKED, READ, REFUSED, put
from painted import paint_folder
from PIL import Image


@dataclass(frozen=True)
class Told:
    """What each command said of the pictures in `photos/bee`, by name."""

    place: Path
    skipped: dict[str, str]
    facts: dict[str, Any]
    rows: dict[str, dict[str, Any]]
    inspected: dict[str, Any]
    words: str


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    place = tmp_path_factory.mktemp("faulty")
    bee = paint_folder(place / "photos", ant=14, bee=14) / "bee"
    put(bee)
    for name, (_, _, plain) in READ.items():
        (place / "plain").mkdir(exist_ok=True)
        plain.save(place / f"plain/{name}", "PNG")
    before = tree(place / "photos")
    trained = command("train", "photos", *QUICK, "--json", cwd=place)
    asked = command("predict", "last", "photos/bee", "plain", "--json", cwd=place)
    inspected = command("inspect", "photos", "--no-suspects", "--json", cwd=place)
    assert (trained.code, asked.code) == (0, 0), trained.err + asked.err
    assert inspected.code in (0, 1) and tree(place / "photos") == before
    words = trained.err + asked.err + inspected.err
    assert "Traceback" not in words and "Warning" not in words
    return Told(
        place,
        {Path(one["file"]).name: one["reason"] for one in trained.json["skipped"]},
        json.loads((place / "runs/photos-001/facts.json").read_text(encoding="utf-8"))["data"],
        {row["file"].removeprefix("photos/bee/"): row for row in asked.rows},
        inspected.json,
        words,
    )


def numbered(files: dict[str, Any]) -> list[Any]:
    return [pytest.param(name, id=f"{files[name][0]}-{name}") for name in files]


@pytest.mark.fault(1, 2, 3, 5, 8, 12, 13, 14)
@pytest.mark.parametrize("name", numbered(REFUSED))
def test_what_cannot_be_read_is_left_out_and_named_with_its_reason(name: str, told: Told) -> None:
    reason = REFUSED[name][2]
    assert reason in told.skipped[name], "train"
    assert reason in told.rows[name]["error"] and "label" not in told.rows[name], "predict"
    (issue,) = (one for one in told.inspected["issues"] if one["name"] == "unreadable")
    assert any(name in file and reason in file for (file,) in issue["files"]) or any(
        name in one["file"] and reason in one["reason"] for one in told.inspected["skipped"]
    ), "inspect"


@pytest.mark.fault(10, 12)
@pytest.mark.parametrize("name", numbered(ONLY_ASKED))
def test_what_training_leaves_out_is_named_and_answered_when_asked(name: str, told: Told) -> None:
    assert ONLY_ASKED[name][2] in told.skipped[name]
    # The first frame is a bee, the second an ant.
    assert told.rows[name]["label"] == told.rows["plain/ink.jpg"]["label"]


@pytest.mark.fault(6, 7, 9, 10, 13)
@pytest.mark.parametrize("name", numbered(READ))
def test_an_unusual_picture_is_answered_as_the_plain_one_that_it_shows(name: str, told: Told) -> None:
    assert name not in told.skipped
    answer, plain = told.rows[name], told.rows[f"plain/{name}"]
    assert answer["top"] == plain["top"], "not a pixel differs, so no digit does"


@pytest.mark.fault(1, 10, 12)
def test_no_file_vanishes(told: Told) -> None:
    found = sum(path.is_file() for path in (told.place / "photos").rglob("*"))
    assert told.facts["train"]["count"] + told.facts["val"]["count"] + len(told.skipped) == found
    assert set(told.skipped) == {*REFUSED, *ONLY_ASKED}
    assert told.inspected["modes"]["I;16"] == 2 and told.inspected["modes"]["CMYK"] == 1


@pytest.mark.fault(6, 7, 9, 10, 13)
def test_the_server_answers_the_same_pictures_alike(told: Told) -> None:
    with serving(told.place / "runs/photos-001", "--quiet", cwd=told.place) as url:
        for name in (*READ, *ONLY_ASKED):
            content = (told.place / "photos/bee" / name).read_bytes()
            answer = httpx.post(f"{url}/v1/predict", content=content, trust_env=False).json()
            assert answer["top"] == told.rows[name]["top"], name
        for name in REFUSED:
            content = (told.place / "photos/bee" / name).read_bytes()
            refused = httpx.post(f"{url}/v1/predict", content=content, trust_env=False)
            assert refused.status_code == (422 if content else 400), name


@pytest.mark.fault(4)
def test_a_png_flipped_at_any_byte_is_an_answer_or_a_named_error(told: Told) -> None:
    whole = encoded(noise(seed=4, channels=4))
    folder = told.place / "flipped"
    folder.mkdir()
    for place in range(0, len(whole), len(whole) // 120):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        (folder / f"{place:04d}.png").write_bytes(damaged)
    done = command("predict", "last", "flipped", "photos/bee/00.png", "--json", cwd=told.place)
    assert done.code == 0 and "Traceback" not in done.err
    assert len(done.rows) == len(list(folder.iterdir())) + 1
    assert all(("label" in row) != ("error" in row) for row in done.rows)
    assert sum("error" in row for row in done.rows) > 100, "PNG carries check sums: most damage is seen"


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="a process's memory is told the Unix way")
@pytest.mark.fault(5)
def test_half_a_gigabyte_of_pixels_takes_no_memory(told: Told) -> None:
    def peak(*pictures: str) -> int:
        words = [*COMMAND, "predict", "last", "photos/bee/00.png", *pictures, "--json"]
        process = subprocess.Popen(words, cwd=told.place, env=environment(), stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)

    assert peak("photos/bee/huge.png", "photos/bee/vast.png") - peak() < 40_000, "kilobytes"


TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0),
    8: lambda a: np.rot90(a, -1),
}
"""How a camera stores an upright picture that it marks with each of the EXIF orientations."""


def turned(file: Path, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(file) as image:
        stored = np.ascontiguousarray(TURNS[orientation](np.asarray(image.convert("L"))))
    return encoded(stored, exif=exif)


@pytest.mark.fault(11)
def test_pictures_that_a_camera_turned_are_measured_asked_and_served_upright(
    trained_digits: Path, tmp_path: Path
) -> None:
    names = []
    for digit in "0123456789":
        for number, file in enumerate(sorted((trained_digits / f"digits/{digit}").iterdir())[:8]):
            for folder, orientation in (("upright", 1), ("turned", number + 1)):
                (tmp_path / folder / digit).mkdir(parents=True, exist_ok=True)
                (tmp_path / folder / digit / f"{number}.png").write_bytes(turned(file, orientation))
            names.append(f"{digit}/{number}.png")
    run = trained_digits / "runs/digits-001"
    broken = encoded(noise(8, 8, channels=1), exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff garbage")
    (tmp_path / "broken.png").write_bytes(broken)
    (tmp_path / "whole.png").write_bytes(encoded(noise(8, 8, channels=1)))
    reports = [command("evaluate", run, folder, "--json", cwd=tmp_path) for folder in ("upright", "turned")]
    assert reports[0].json | {"speed": None} == reports[1].json | {"speed": None}
    asked = command("predict", run, "upright", "turned", "broken.png", "whole.png", "--json", cwd=tmp_path)
    top = {row["file"]: row["top"] for row in asked.rows}
    assert [top[f"turned/{name}"] for name in names] == [top[f"upright/{name}"] for name in names]
    assert top["broken.png"] == top["whole.png"] and "Warning" not in asked.err
    with serving(run, "--quiet", cwd=tmp_path) as url:
        for number in range(8):
            content = (tmp_path / f"turned/5/{number}.png").read_bytes()
            answer = httpx.post(f"{url}/v1/predict", content=content, trust_env=False).json()
            assert answer["top"] == top[f"upright/5/{number}.png"]
