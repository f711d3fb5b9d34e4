"""Runs, bundles, recipes and places that are damaged, unfinished or in the way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import QUICK, Ask


@pytest.fixture
def run(trained_digits: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, and the picture `eight.png`."""
    shutil.copytree(trained_digits / "runs/digits-001", tmp_path / "run")
    shutil.copy(sorted((trained_digits / "digits/8").iterdir())[0], tmp_path / "eight.png")
    return tmp_path / "run"


def flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 0x10
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["weights.safetensors", "graph.onnx"])
def test_one_flipped_bit_in_a_bundle(name: str, run: Path, ask: Ask) -> None:
    assert ask("predict", "run", "eight.png").code == 0
    flip(run / "model" / name, 5000)
    for words in (("predict", "run", "eight.png"), ("evaluate", "run"), ("export", "run", "-o", "x.onnx")):
        ask(*words).refused(5, f"{name} is damaged", "sha256", "hint: Copy it again")
    assert not Path("x.onnx").exists()


def test_one_flipped_bit_in_a_lens_file(run: Path, ask: Ask) -> None:
    assert ask("export", "run", "-o", "x.lens").code == 0
    flip(Path("x.lens"), Path("x.lens").stat().st_size // 3)
    ask("predict", "x.lens", "eight.png").refused(5, "x.lens")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 99}'])
def test_a_damaged_bundle_json(content: str, run: Path, ask: Ask) -> None:
    (run / "model/bundle.json").write_text(content)
    ask("predict", "run", "eight.png").refused(5, str(run.name))


def test_a_damaged_report_in_a_bundle(run: Path, ask: Ask) -> None:
    facts = json.loads((run / "model/bundle.json").read_text(encoding="utf-8"))
    for report in ({"x": 1}, {**facts["report"], "per_class": 7}):
        (run / "model/bundle.json").write_text(json.dumps({**facts, "report": report}), encoding="utf-8")
        ask("evaluate", "run").refused(5, "its report is damaged")
        assert ask("predict", "run", "eight.png").code == 0


def test_a_file_of_a_bundle_is_missing(run: Path, ask: Ask) -> None:
    (run / "model/weights.safetensors").unlink()
    ask("predict", "run", "eight.png").refused(5, "weights.safetensors", "hint:")


def test_something_else_instead_of_a_run(run: Path, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    ask("predict", "photos", "eight.png").refused(5, "photos: not a run", "hint:")
    ask("predict", "eight.png", "eight.png").refused(5, "eight.png")
    (tmp_path / "x.pt").write_bytes(b"PK\x03\x04 not a bundle")
    ask("predict", "x.pt", "eight.png").refused(5, "x.pt")


def test_a_run_that_never_had_a_model(run: Path, ask: Ask) -> None:
    shutil.rmtree(run / "model")
    (run / "report.json").unlink()
    for words in (("predict", "run", "eight.png"), ("evaluate", "run"), ("export", "run", "-o", "x.lens")):
        ask(*words).refused(5, "run: the run is not complete", "hint:")
    assert not Path("x.lens").exists()


def test_last_points_to_a_run_that_is_gone(run: Path, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/last").write_text(f"{tmp_path / 'runs/gone-001'}\n")
    ask("evaluate", "last").refused(5, "gone-001", "no longer there", "hint:")


@pytest.mark.parametrize("content", ['lr = "', "lr 0.1", "\x00\x01", "lr = 0.1\nlr = 0.2"])
def test_a_damaged_recipe(content: str, run: Path, ask: Ask, tmp_path: Path) -> None:
    (run / "recipe.toml").write_text(content)
    ask("train", "digits", "--recipe", "run/recipe.toml").refused(2, "run/recipe.toml: not a TOML", "hint:")
    assert not (tmp_path / "runs").exists()


def test_a_recipe_of_wrong_kinds(run: Path, ask: Ask) -> None:
    (run / "recipe.toml").write_text('lr = "high"')
    ask("train", "digits", "--recipe", "run/recipe.toml").refused(2, "lr='high' is not a number", "hint:")
    (run / "recipe.toml").write_text("batch_size = 0")
    ask("train", "digits", "--recipe", "run/recipe.toml").refused(2, "batch_size=0", "hint:")


@pytest.mark.fault(34)
def test_places_that_cannot_be_written(run: Path, photos: Path, ask: Ask, tmp_path: Path) -> None:
    # Below a regular file nothing can be made, not even by root.
    (tmp_path / "file").write_text("in the way")

    done = ask("train", "photos", *QUICK, "--out", "file/run")
    done.refused(2, "file/run: no run can be written there", "hint: Give another folder with --out.")
    ask("train", "photos", *QUICK, "--out", "file").refused(2, "file", "--out")
    for name in ("file/x.lens", "file/x.onnx"):
        ask("export", "run", "-o", name).refused(2, f"{name}: cannot be written", "hint:")
    ask("sample", "digits", "file/digits").refused(2, "file/digits: cannot be written", "hint:")
    for name in ("file", "photos"):
        ask("sample", "digits", name).refused(2, f"{name} already holds something", "hint:")
    assert (tmp_path / "file").read_text() == "in the way"


def test_words_of_export(run: Path, ask: Ask) -> None:
    ask("export", "run", "-o", "x.pkl").refused(2, "x.pkl", "hint: It is .onnx, .pt2 or .lens")
    ask("export", "run", "-o", "x.onnx", "--check", "nix").refused(3, "nix: no pictures", "hint:")
    assert not Path("x.pkl").exists() and not Path("x.onnx").exists()


@pytest.mark.fault(34)
def test_runs_that_is_a_file(photos: Path, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("mine")
    done = ask("train", "photos", *QUICK)
    done.refused(2, "runs: no run can be written there", "hint:")


def test_a_run_is_never_overwritten(run: Path, photos: Path, ask: Ask) -> None:
    done = ask("train", "photos", *QUICK, "--out", "run")
    done.refused(2, "run already holds something", "hint:")
    assert json.loads((run / "report.json").read_text(encoding="utf-8"))["count"] > 100
