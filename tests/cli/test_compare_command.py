"""`lensmith compare`: runs side by side, from what they said when they were measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from command_line import Done, command
from runs_by_hand import make_run

from lensmith.runs.predictions import Predictions

CLASSES = ["ant", "bee"]


def run(path: Path, wrong: int, lr: float = 0.05, first: int = 0) -> None:
    """A run that is wrong about the first pictures of two hundred."""
    directory = make_run(path, CLASSES, [[100, 0], [wrong, 100 - wrong]])
    recipe = directory.recipe_file.read_text(encoding="utf-8")
    directory.recipe_file.write_text(recipe.replace("lr = 0.05", f"lr = {lr}"), encoding="utf-8")
    targets = np.repeat([1, 0], 100)
    logits = np.eye(2, dtype=np.float32)[targets]
    logits[:wrong] = logits[:wrong, ::-1]
    names = np.array([str(number) for number in range(first, first + 200)])
    files = np.array([f"photos/{number}.jpg" for number in range(200)])
    Predictions(names, targets, logits, np.full(200, "val"), files).write(directory.predictions_file)


def compare(place: Path, *words: str) -> Done:
    return command("compare", *words, cwd=place)


def test_the_better_of_two_runs_with_what_sets_them_apart(tmp_path: Path) -> None:
    run(tmp_path / "a", wrong=4)
    run(tmp_path / "b", wrong=30, lr=0.5)
    done = compare(tmp_path, "a", "b")
    assert done.code == 0
    assert "a is better than b by 13.0 points" in done.out
    assert "photos/4.jpg  bee: a is right, b says ant" in done.out
    assert "lr: 0.05, 0.5" in done.out
    assert "98.0% (" in done.out and "12.5 s" in done.out


def test_as_json(tmp_path: Path) -> None:
    run(tmp_path / "a", wrong=4)
    run(tmp_path / "b", wrong=5)
    run(tmp_path / "c", wrong=40)
    said = compare(tmp_path, "a", "b", "c", "--json").json
    assert [one["better"] for one in said["comparisons"]] == [None, "a"]
    assert [one["run"] for one in said["runs"]] == ["a", "b", "c"]
    assert said["comparisons"][1]["count"] == 200


def test_models_that_are_no_runs_are_measured_on_the_pictures_named(
    trained_digits: Path, tmp_path: Path
) -> None:
    command("export", trained_digits / "runs/digits-001", "-o", "old.lens", cwd=tmp_path)
    words = ("old.lens", str(trained_digits / "runs/digits-001"), "--data", str(trained_digits / "digits"))
    said = compare(tmp_path, *words, "--json").json
    assert said["comparisons"][0]["better"] is None
    assert said["comparisons"][0]["count"] == 1797
    assert said["runs"][0]["bytes"] > 0
    compare(tmp_path, "old.lens", "old.lens").refused(5, "old.lens")
    compare(tmp_path, "old.lens", "old.lens", "--split", "val").refused(2, "--data")


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    run(tmp_path / "a", wrong=4)
    run(tmp_path / "b", wrong=4, first=1000)
    compare(tmp_path, "a").refused(2, "two runs or more")
    compare(tmp_path, "a", "b").refused(3, "measured on different pictures")
    compare(tmp_path, "a", "none").refused(5, "no such run")
    (tmp_path / "b" / "predictions.npz").unlink()
    compare(tmp_path, "a", "b").refused(5, "predictions.npz")
    (tmp_path / "a" / "report.json").write_text(json.dumps({}), encoding="utf-8")
    compare(tmp_path, "a", "a").refused(5, "report.json")
