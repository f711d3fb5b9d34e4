"""`lensmith explain`: where an answer hangs on its picture, in words and as a heat map."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
from command_line import command, python_without
from PIL import Image


def test_in_words_and_as_a_heat_map(trained_digits: Path, tmp_path: Path) -> None:
    file = "digits/0/0000.png"
    done = command("explain", "last", file, "-o", tmp_path / "why.png", cwd=trained_digits)
    label = command("predict", "last", file, "--json", cwd=trained_digits).rows[0]["label"]
    assert done.code == 0
    first, trust, *alike = done.out.splitlines()
    assert first.startswith(f"{file}  {label} ") and first.endswith("why.png")
    assert trust.startswith("  trust  ") and "of 20 draws" in trust
    assert len(alike) == 3 and all(line.startswith("  like   ") for line in alike)
    pixels = np.asarray(Image.open(tmp_path / "why.png"))
    assert pixels.shape[2] == 3 and (pixels[..., 0] != pixels[..., 2]).any(), "there is colour in it"


def test_the_same_as_json_and_as_a_page(trained_digits: Path, tmp_path: Path) -> None:
    files = ("digits/3/0003.png", "digits/8/0008.png")
    page = tmp_path / "why.html"
    done = command("explain", "last", *files, "-o", page, "--nearest", "2", "--json", cwd=trained_digits)
    for row in done.rows:
        assert row["method"] == "layer" and len(row["places"]) >= 4
        assert row["trust"]["draws"] == 20 and row["trust"]["faster"] >= 0
        assert [one["label"] for one in row["nearest"]]
        assert (trained_digits / row["nearest"][0]["file"]).is_file()
    shown = page.read_text(encoding="utf-8")
    # Thumbnails by the paths of the run, which start where it was trained.
    assert shown.count("data:image/jpeg") == 2 * 3 and all(file in shown for file in files)


def test_without_captum_and_without_torch_parts_are_covered(trained_digits: Path, tmp_path: Path) -> None:
    for packages, hint in (
        (("captum",), 'pip install "lensmith[explain]"'),
        (("torch", "captum"), "torch is not"),
    ):
        python, variables = python_without(tmp_path / packages[0], *packages)
        words = [*python, "-m", "lensmith", "explain", "last", "digits/0/0000.png", "--json"]
        done = subprocess.run(
            words, cwd=trained_digits, env=variables, capture_output=True, text=True, check=True
        )
        row = json.loads(done.stdout)
        assert row["method"] == "occlusion" and row["trust"]["draws"] == 20
        assert hint in done.stderr and "Traceback" not in done.stderr
        assert bool(row["nearest"]) == (packages == ("captum",))


def test_training_pictures_that_went_are_said_and_named_anew(trained_digits_copy: Path) -> None:
    picture = trained_digits_copy / "one.png"
    picture.write_bytes((trained_digits_copy / "digits/1/0001.png").read_bytes())
    (trained_digits_copy / "digits").rename(trained_digits_copy / "moved")
    facts = trained_digits_copy / "runs/digits-001/facts.json"  # digits is a name too, which would be found
    facts.write_text(facts.read_text().replace('"source": "digits"', '"source": "photos"'))
    done = command("explain", "last", picture, "--json", cwd=trained_digits_copy)
    assert done.code == 0 and done.rows[0]["nearest"] == []
    assert "is not there any more" in done.err and "--data DATA" in done.err
    row = command("explain", "last", picture, "--data", "moved", "--json", cwd=trained_digits_copy).rows[0]
    assert row["nearest"][0]["is_it"] and row["nearest"][0]["similarity"] > 0.99
    command("explain", "last", picture, "--data", "nowhere", cwd=trained_digits_copy).refused(3, "nowhere")


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
