"""A run from another run's recipe: equal weights, or what differs, in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs_by_hand import facts_of, make_run

from lensmith.runs.directory import RunDirectory
from lensmith.runs.predictions import Predictions
from lensmith.runs.repetition import compare_with, remember, run_of_recipe

NAMES = ["ant", "bee"]


def run(path: Path, weights: bytes = b"the same", wrong: int = 1, **changes: dict[str, Any]) -> RunDirectory:
    """A run on ten pictures, the first of them taken for the other class; changes: of parts of its facts."""
    facts = facts_of(NAMES)
    for part, values in changes.items():
        facts[part] = facts[part] | values
    made = make_run(path, NAMES, [[5, 0], [wrong, 5 - wrong]], facts=facts)
    made.model.mkdir()
    (made.model / "weights.safetensors").write_bytes(weights)
    targets = np.repeat([1, 0], 5)
    logits = np.eye(2, dtype=np.float32)[targets]
    logits[:wrong] = logits[:wrong, ::-1]
    names = np.array([f"{number:064d}" for number in range(10)])
    Predictions(names, targets, logits, np.full(10, "val"), names).write(made.predictions_file)
    return made


def told(before: RunDirectory, now: RunDirectory) -> dict[str, Any]:
    found = compare_with(remember(before), now)
    json.dumps(found)
    return found


def test_equal_weights(tmp_path: Path) -> None:
    found = told(run(tmp_path / "a"), run(tmp_path / "b"))
    assert found["equal"] is True and found["differences"] == []
    assert found["verdict"].startswith(f"repeats {tmp_path / 'a'}: equal weights (sha256 ")


def test_equal_weights_with_another_version_are_told_with_it(tmp_path: Path) -> None:
    found = told(run(tmp_path / "a"), run(tmp_path / "b", versions={"torch": "2.15.0"}))
    assert found["verdict"].endswith("though torch 2.9.1 -> 2.15.0")


def test_what_differs_is_told_with_what_came_of_it(tmp_path: Path) -> None:
    more = {"train": {"count": 204, "classes": {"ant": 102, "bee": 102}}, "fingerprints": {"train": "b" * 64}}
    b = run(
        tmp_path / "b",
        b"others",
        wrong=3,
        versions={"torch": "2.15.0"},
        machine={"processor": "EPYC", "threads": 4},
        data=more,
    )
    found = told(run(tmp_path / "a", data={"fingerprints": {"train": "a" * 64}}), b)
    assert found["equal"] is False
    words = found["verdict"]
    assert words.startswith(f"not equal to {tmp_path / 'a'}: train pictures 201 -> 204, ")
    for one in (
        "torch 2.9.1 -> 2.15.0",
        "processor - -> EPYC",
        "threads - -> 4",
        "aaaaaaaaaaaa -> bbbbbbbbbbbb",
    ):
        assert one in words, words
    assert "accuracy 0.9 -> 0.7" in words
    assert "2 of 10 answers differ" in words
    assert "\n" not in words


def test_what_moves_no_weight_is_named_only_where_nothing_else_is_found(tmp_path: Path) -> None:
    a = run(tmp_path / "a")
    moved = {"source": "elsewhere"}
    assert "elsewhere" not in told(a, run(tmp_path / "b", data=moved))["verdict"]
    both = told(a, run(tmp_path / "c", b"others", data=moved, versions={"torch": "2.15.0"}))["verdict"]
    assert "elsewhere" not in both and "torch 2.9.1 -> 2.15.0" in both
    assert "source my photos -> elsewhere" in told(a, run(tmp_path / "d", b"others", data=moved))["verdict"]


def test_nothing_known_differs(tmp_path: Path) -> None:
    words = told(run(tmp_path / "a"), run(tmp_path / "b", b"others"))["verdict"]
    assert "nothing that is known differs" in words


def test_a_run_without_weights_or_predictions_is_no_fault(tmp_path: Path) -> None:
    a = run(tmp_path / "a")
    (a.model / "weights.safetensors").unlink()
    a.predictions_file.write_bytes(b"PK damaged")
    a.report_file.unlink()
    found = told(a, run(tmp_path / "b"))
    assert found["equal"] is None and "no weights" in found["verdict"]


def test_many_differences_stay_one_line(tmp_path: Path) -> None:
    others = {f"package{number}": "1.0" for number in range(20)}
    words = told(run(tmp_path / "a"), run(tmp_path / "b", b"others", versions=others))["verdict"]
    assert "and 14 more in facts.json" in words


@pytest.mark.parametrize("word", ["fast", "a/other.toml", "nothing/recipe.toml", "alone/recipe.toml"])
def test_other_recipes_belong_to_no_run(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(tmp_path / "a")
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone/recipe.toml").write_text("epochs = 2\n")
    assert run_of_recipe(word) is None
    assert run_of_recipe("a/recipe.toml") == RunDirectory(Path("a"))
