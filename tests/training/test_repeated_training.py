"""A training repeated from its recipe gives the same weights; what the cache holds changes none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from painted import paint_folder

import lensmith as lm
from lensmith.errors import UsageError
from lensmith.runs.files import read_json_lines
from lensmith.runs.predictions import read_predictions

QUICK: dict[str, Any] = {
    "model": "convnet",
    "image_size": 16,
    "epochs": 2,
    "precision": "float32",
    "device": "cpu",
}
DROPPING = """
from torch import nn

def make(outputs):
    front = [nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.AdaptiveAvgPool2d(2)]
    return nn.Sequential(*front, nn.Flatten(), nn.Dropout(0.5), nn.Linear(256, outputs))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("repeated")
    paint_folder(place / "set", ant=30, bee=30)
    return place


@pytest.fixture(scope="module")
def first(place: Path) -> lm.Run:
    return lm.train(place / "set", out=place / "runs/first", quiet=True, seed=4, **QUICK)


def weights(run: lm.Run) -> str:
    return str(run.bundle.facts.files["weights.safetensors"])


def test_the_recipe_of_a_run_gives_the_same_run(first: lm.Run, place: Path) -> None:
    """Here also without the cache: the same pixels, the same predictions, the same figures."""
    again = lm.train(
        place / "set", recipe=first.path / "recipe.toml", store=False, out=place / "runs/again", quiet=True
    )
    assert weights(again) == weights(first)
    assert again.bundle.sha256 == first.bundle.sha256
    one, other = (read_predictions(run.path / "predictions.npz") for run in (first, again))
    assert one.files.tolist() == other.files.tolist() and one.ids.tolist() == other.ids.tolist()
    assert np.abs(one.logits - other.logits).max() <= 1e-6
    assert again.report.values == first.report.values


def test_each_look_at_the_held_out_pictures_is_counted(first: lm.Run, place: Path) -> None:
    looks = read_json_lines(place / "runs/looks.jsonl")
    of_it = [look for look in looks if look["fingerprint"] == looks[0]["fingerprint"]]
    assert first.report.seen == 1 and "seen" not in first.report.verdict()
    fields = QUICK | {"model": _net(place)}
    again = lm.train(place / "set", seed=4, out=place / "runs/look", quiet=True, **fields)
    assert again.report.seen == len(of_it) + 1
    assert again.report.verdict().endswith(f"seen {again.report.seen} times")


def test_another_seed_gives_other_weights_and_another_split(first: lm.Run, place: Path) -> None:
    other = lm.train(place / "set", seed=5, out=place / "runs/other", quiet=True, **QUICK)
    assert weights(other) != weights(first)
    files = [set(read_predictions(run.path / "predictions.npz").files.tolist()) for run in (first, other)]
    assert files[0] != files[1]


def test_a_run_sized_to_a_budget_repeats_too(place: Path) -> None:
    """Timing a few steps draws random numbers that the repeated run does not draw."""
    fields = QUICK | {"epochs": None, "budget": "1s", "model": _net(place)}
    with pytest.raises(UsageError, match="too short") as caught:
        lm.train(place / "set", quiet=True, **fields)
    fields["budget"] = f"{int(caught.value.hint.split()[-1].rstrip('s.')) + 1}s"
    sized = lm.train(place / "set", out=place / "runs/sized", quiet=True, **fields)
    recipe = sized.directory.recipe()
    assert recipe.unset() == [] and recipe.budget == fields["budget"]
    again = lm.train(place / "set", recipe=sized.path / "recipe.toml", out=place / "runs/sized2", quiet=True)
    assert again.directory.recipe() == recipe
    assert weights(again) == weights(sized)


def _net(place: Path) -> str:
    (place / "net.py").write_text(DROPPING)
    return f"{place}/net.py:make"
