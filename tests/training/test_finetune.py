"""Transfer: the last layer first, then all layers, and what does better on pictures left out is kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from painted import paint_folder
from safetensors.torch import save_file

import lensmith as lm
from lensmith.bundle.bundle import load_model
from lensmith.errors import UsageError
from lensmith.models.build import build
from lensmith.runs.files import read_json_lines
from lensmith.runs.predictions import read_predictions
from lensmith.runs.recipe import read_recipe
from lensmith.training import comparing

Trainer = Callable[..., lm.Run]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`set/`: 160 pictures, of yellow and of blue, equally bright; `w.safetensors`: a network of some weights;
    `grey.safetensors`: one that sees no colours."""
    place = tmp_path_factory.mktemp("fine")
    paint_folder(place / "set", bee=80, cat=80)
    torch.manual_seed(0)
    state = build("tutorial_net", 2, 16).state_dict()
    save_file(state, str(place / "w.safetensors"))
    state["model.0.weight"] = state["model.0.weight"].mean(1, keepdim=True).repeat(1, 3, 1, 1)
    save_file(state, str(place / "grey.safetensors"))
    return place


@pytest.fixture
def train(place: Path, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    monkeypatch.chdir(place)

    def run(**words: Any) -> lm.Run:
        base = {"model": "tutorial_net", "weights": "w.safetensors", "image_size": 16, "device": "cpu"}
        return lm.train("set", quiet=True, **{**base, **words})

    return run


def fine_tuning(run: lm.Run) -> str:
    words: str = run.directory.facts()["choices"]["fine-tuning"]
    return words


def logits(run: lm.Run) -> Any:
    return read_predictions(run.path / "predictions.npz").logits


def test_what_does_better_is_kept_with_both_figures(train: Trainer) -> None:
    run = train(weights="grey.safetensors", epochs=6, lr=0.003, choice_fraction=0.25)
    words = fine_tuning(run)
    assert words.startswith("yes: accuracy ")
    assert "on the 32 pictures held back" in words
    after, before = map(float, re.findall(r"[01]\.\d+", words))
    assert after > before
    epochs = [line for line in read_json_lines(run.path / "metrics.jsonl") if "index" in line]
    assert len(epochs) == 6
    assert epochs[-1]["val_accuracy"] == pytest.approx(after, abs=1e-4)
    recipe = read_recipe(run.path / "recipe.toml")
    assert (recipe.freeze, recipe.choice_fraction) == (False, 0.25)


def test_what_does_worse_is_undone_and_the_head_knows_all_pictures(train: Trainer) -> None:
    spoilt = train(epochs=1, lr=5.0, schedule="constant", choice_fraction=0.25)
    assert fine_tuning(spoilt).startswith("no: accuracy ")
    assert spoilt.directory.facts()["choices"]["keep"] == "the last layer, fitted to features"
    alone = train(freeze=True)
    np.testing.assert_array_equal(logits(spoilt), logits(alone))


def test_a_difference_that_is_chance_undoes_nothing() -> None:
    before = np.array([True] * 40 + [False] * 10)
    worse, clearly = before.copy(), before.copy()
    worse[[0, 1, 45]] = [False, False, True]
    clearly[:6] = False
    assert not comparing._is_clearly_worse(worse, before)
    assert comparing._is_clearly_worse(clearly, before)


def test_pictures_of_val_decide_where_there_are_some(
    place: Path, train: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part, count in (("train", 20), ("val", 5), ("test", 5)):
        paint_folder(place / "split/set" / part, bee=count, cat=count)
    monkeypatch.chdir(place / "split")
    run = train(epochs=1, weights="../w.safetensors", lr=5.0, choice_fraction=0.25)
    assert "on the 10 pictures of val" in fine_tuning(run)


def test_without_pictures_to_compare_on_the_passes_are_made_as_asked(train: Trainer) -> None:
    run = train(epochs=2)
    assert fine_tuning(run).startswith("yes: 2 passes were asked for")
    assert "epoch" in run.directory.facts()["choices"]["keep"]


def test_no_time_and_too_few_pictures_are_told(train: Trainer) -> None:
    assert "--budget" in fine_tuning(train())
    assert fine_tuning(train(budget="60s")).startswith("no: 126 training pictures are too few")


def test_a_budget_too_short_for_a_pass_leaves_the_head(
    train: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lensmith.planning.plan._FEWEST", 100)
    run = train(budget="0.5s")
    assert run.directory.recipe().freeze
    assert "too short" in fine_tuning(run)
    with pytest.raises(UsageError, match="too short"):
        train(budget="0.5s", freeze=False)


def test_a_repeat_is_the_same(train: Trainer) -> None:
    once = train(epochs=2, choice_fraction=0.25)
    again = lm.train("set", recipe=once.path / "recipe.toml", quiet=True)
    assert fine_tuning(once) == fine_tuning(again)
    np.testing.assert_array_equal(logits(once), logits(again))


def test_the_bundle_predicts_what_was_measured(train: Trainer) -> None:
    run = train(epochs=2, choice_fraction=0.25)
    found = read_predictions(run.path / "predictions.npz")
    bundle = load_model(run.path / "model")
    pixels = np.stack([bundle.prepare(Path(str(file))) for file in found.files])
    np.testing.assert_array_equal(bundle.logits(pixels), found.logits)


def test_features_in_less_precision_make_nearly_the_same_head(train: Trainer) -> None:
    exact, rough = (logits(train(freeze=True, precision=word)) for word in ("float32", "bfloat16"))
    assert 0 < np.abs(exact - rough).max() < 0.1 * exact.std()
