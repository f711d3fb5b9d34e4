"""`lensmith explain`: where an answer hangs on its picture, in words and as a heat map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from command_line import command
from PIL import Image


def test_in_words_and_as_a_heat_map(trained_digits: Path, tmp_path: Path) -> None:
    file = "digits/0/0000.png"
    done = command("explain", "last", file, "-o", tmp_path / "why.png", cwd=trained_digits)
    label = command("predict", "last", file, "--json", cwd=trained_digits).rows[0]["label"]
    assert done.code == 0
    assert done.out.startswith(f"{file}  {label} ") and "covering the " in done.out
    pixels = np.asarray(Image.open(tmp_path / "why.png"))
    assert pixels.shape[2] == 3 and (pixels[..., 0] != pixels[..., 2]).any(), "there is colour in it"


def test_several_go_into_a_folder_and_none_over_another(trained_digits: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes((trained_digits / "digits/0/0000.png").read_bytes())
    pictures = (tmp_path / "a/1.png", tmp_path / "b/1.png")
    done = command("explain", "last", *pictures, "-o", tmp_path / "why", "--json", cwd=trained_digits)
    assert [row["flat"] for row in done.rows] == [False, False]
    assert len({row["out"] for row in done.rows}) == 2
    assert sorted(file.name for file in (tmp_path / "why").iterdir()) == ["1-1-why.png", "1-2-why.png"]
    command("explain", "last", *pictures, "-o", tmp_path / "why.png", cwd=trained_digits).refused(2, "folder")


def test_another_name_can_be_asked_about(trained_digits: Path) -> None:
    row = command("explain", "last", "digits/0/0000.png", "--label", "8", "--json", cwd=trained_digits).rows[
        0
    ]
    assert row["label"] == "8"
    done = command("explain", "last", "digits/0/0000.png", "--label", "dog", cwd=trained_digits)
    done.refused(2, "--label dog", "It knows 0, 1")


def test_what_cannot_be_read_and_the_picture_itself(trained_digits: Path, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("no picture")
    command("explain", "last", tmp_path / "no.png", cwd=trained_digits).refused(3, "no.png")
    own = tmp_path / "own.png"
    own.write_bytes((trained_digits / "digits/0/0000.png").read_bytes())
    before = own.read_bytes()
    command("explain", "last", own, "-o", own, cwd=trained_digits).refused(2, "the picture itself")
    assert own.read_bytes() == before
