"""The baseline of neighbours, on features made by the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lensmith.data.dataset import Example, ImageDataset
from lensmith.evaluation.comparison import Measured
from lensmith.evaluation.neighbours import compare_neighbours
from lensmith.features.embed import Features
from lensmith.runs.predictions import Predictions
from lensmith.types import Task


def pictures(targets: list[Any], task: Task = "classification", first: int = 0) -> ImageDataset:
    """Pictures that are nowhere, with known sha256."""
    examples = []
    for number, target in enumerate(targets, first):
        example = Example(Path(f"{number}.png"), target)
        example.remember(f"{number:064x}")
        examples.append(example)
    return ImageDataset(examples, [] if task == "regression" else ["ant", "bee"], task=task)


def model(data: ImageDataset, logits: Any) -> Measured:
    targets: Any = data.targets
    if data.task == "multilabel":
        targets = [[int(label in shown) for label in (0, 1)] for shown in targets]
    files = np.array([str(example.source) for example in data.examples])
    splits = np.full(len(data), "val")
    said = np.asarray(logits, np.float32)
    return Measured(
        "run",
        data.task,
        data.classes,
        Predictions(np.array(data.ids), np.array(targets), said, splits, files),
    )


def at(angles: Any) -> Features:
    """Features in these directions, in degrees."""
    turned = np.radians(np.asarray(angles, np.float64))
    return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)


KNOWN = pictures([0] * 20 + [1] * 20, first=1000)
SEEN = at([*range(20), *range(60, 80)])
SEEN[0] = at([70])[0]  # an ant among the bees


def test_the_nearest_one_and_several_are_measured_beside_the_model() -> None:
    asked = pictures([0] * 30 + [1] * 30)
    others = at([*np.linspace(1, 19, 30), *np.linspace(69.8, 70.2, 30)])
    wrong = model(asked, np.tile([1.0, 0.0], (60, 1)))  # always an ant
    found = compare_neighbours(wrong, KNOWN, SEEN, asked, others)
    one, several = found.baselines
    assert one.value.value < 0.8  # the ant among the bees is the nearest of many
    assert several.value.value == 1.0 and several.value.count == 60
    assert several.comparison.difference.value == pytest.approx(-0.5)
    assert found.model.value == 0.5
    assert found.verdict().startswith(
        "without any training, the 10 nearest training pictures give 100.0%; the model is worse by 50.0 points ("
    )
    facts = found.as_dict()
    assert [one["better"] for one in facts["baselines"]][1] == "neighbours"
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_no_difference_is_said_as_such() -> None:
    asked = pictures([0] * 5 + [1] * 5)
    others = at([*range(5, 10), *range(62, 67)])
    right = model(asked, [[1.0, 0.0]] * 5 + [[0.0, 1.0]] * 5)
    found = compare_neighbours(right, KNOWN, SEEN, asked, others)
    assert found.verdict().endswith(
        "give 100.0%, and no difference to the model that 10 pictures can show"
    ) or (found.verdict().endswith("gives 100.0%, and no difference to the model that 10 pictures can show"))


def test_labels_and_numbers_are_voted_on_too() -> None:
    known, seen = pictures([(0,), (0, 1), (1,)] * 10, "multilabel", 1000), at([0, 40, 80] * 10)
    asked = pictures([(0,), (0, 1), (1,)] * 8, "multilabel")
    model_of_labels = model(asked, np.random.default_rng(0).normal(size=(24, 2)))
    found = compare_neighbours(model_of_labels, known, seen, asked, at([1, 41, 81] * 8))
    assert found.figure == "mean_ap" and found.baselines[1].value.value == pytest.approx(1)
    numbers = pictures([0.0, 4.0, 8.0] * 10, "regression", 1000)
    asked = pictures([0.0, 4.0, 8.0] * 12, "regression")
    found = compare_neighbours(model(asked, [[1.0]] * 36), numbers, seen, asked, at([1, 41, 81] * 12))
    assert found.figure == "mae" and found.baselines[0].value.value == pytest.approx(0, abs=1e-5)
    assert "the model is worse by" in found.verdict()
