"""Would more pictures help: draws that leak nothing, and a promise that holds where the truth is known."""

from __future__ import annotations

import json
from collections.abc import Generator
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lensmith.data.dataset import Example, ImageDataset
from lensmith.evaluation.extrapolation import extrapolated
from lensmith.evaluation.learning_curve import LearningCurve, curve_from, curve_of
from lensmith.evaluation.learning_draws import SHARES, Draws, draw_heads
from lensmith.evaluation.withheld import Withheld
from lensmith.features.embed import Features
from lensmith.types import Event, Task


def ended(job: Generator[Event, None, Any]) -> Any:
    try:
        while True:
            next(job)
    except StopIteration as end:
        return end.value


def blobs(count: int, seed: int = 0, width: int = 24) -> tuple[Features, NDArray[np.int64]]:
    """Three classes whose features overlap."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(3, width)) * 0.45
    targets = np.arange(count) % 3
    return (centres[targets] + draw.normal(size=(count, width))).astype(np.float32), targets


def pictures(targets: Any, task: Task = "classification") -> ImageDataset:
    examples = []
    for number, target in enumerate(targets):
        example = Example(Path(f"{number}.png"), target)
        example.remember(f"{number:064x}")
        examples.append(example)
    return ImageDataset(
        examples, {"regression": [], "multilabel": ["a", "b"]}.get(task, ["a", "b", "c"]), task=task
    )


def test_no_picture_is_asked_about_that_was_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each equal pair on one side, every part within the next, every class in each."""
    from lensmith.evaluation import learning_draws

    features, targets = blobs(60)
    features[:, 0] = np.arange(60)  # so that a row tells which it is
    groups = [str(number // 2) for number in range(60)]
    learned: list[set[int]] = []
    real = learning_draws.fit_linear

    def watched(x: Features, *rest: Any) -> Any:
        learned.append({int(row) for row in x[:, 0]})
        return real(x, *rest)

    monkeypatch.setattr(learning_draws, "fit_linear", watched)
    draws = ended(draw_heads(features, targets, groups, "classification", 3, seconds=-1))
    assert len(draws) == 5  # the time is up, and fewer tell nothing of how draws differ
    for number, asked in enumerate(draws.rows):
        parts = learned[number * len(SHARES) : (number + 1) * len(SHARES)][::-1]  # the most first
        assert [len(part) for part in parts] == draws.sizes[number].tolist()
        assert all(small < large for small, large in pairwise(parts))
        for part in parts:
            assert not {groups[row] for row in part} & {groups[row] for row in asked}
            assert {int(targets[row]) for row in part} == {0, 1, 2}
        assert parts[-1] | set(asked.tolist()) == set(range(60))
    assert sorted(np.concatenate(draws.rows).tolist()) == list(range(60))


def test_every_picture_is_asked_about_as_often_and_the_seed_decides() -> None:
    features, targets = blobs(90)
    groups = [str(number) for number in range(90)]
    first, again, other = (
        ended(draw_heads(features, targets, groups, "classification", 3, seed=seed, seconds=inf, wanted=5))
        for seed in (0, 0, 1)
    )
    counts = np.bincount(np.concatenate(first.rows), minlength=90)
    assert (counts == len(first) // 5).all()
    assert all((a == b).all() for a, b in zip(first.errors, again.errors, strict=True))
    assert any((a != b).any() for a, b in zip(first.rows, other.rows, strict=True))


def test_a_power_law_is_continued() -> None:
    sizes = np.array([100, 140, 200, 280, 400], np.float64)
    errors = 2.0 * sizes**-0.5
    found = extrapolated(sizes, errors, np.eye(5) * 1e-8, 500)
    assert found.now.mean() == pytest.approx(2 * 500**-0.5, rel=0.01)
    assert found.gain.mean() == pytest.approx(2 * (500**-0.5 - 1000**-0.5), rel=0.1)
    low, high = np.percentile(found.gain, [2.5, 97.5])
    assert low < 2 * (500**-0.5 - 1000**-0.5) < high


def test_the_less_is_known_the_wider_the_promise_and_a_flat_curve_promises_little() -> None:
    sizes = np.array([100, 140, 200, 280, 400], np.float64)
    errors = 2.0 * sizes**-0.5
    sharp, vague = (extrapolated(sizes, errors, np.eye(5) * v, 500).gain for v in (1e-8, 4e-4))
    assert vague.std() > 2 * sharp.std()
    flat = extrapolated(sizes, np.full(5, 0.1), np.eye(5) * 1e-8, 500).gain
    assert 0 <= flat.mean() < 0.005
    perfect = extrapolated(sizes, np.zeros(5), np.eye(5) * 1e-4, 500).gain
    assert 0 <= perfect.mean() < 0.005


def test_the_promise_holds_on_pictures_whose_truth_is_known() -> None:
    """Learn from 150, promise for 300, learn from 300, measured on many others."""
    from lensmith.features.linear import fit_linear

    asked, shown = blobs(6000, seed=99)
    within = []
    for seed in range(4):
        features, targets = blobs(300, seed)
        rows = np.random.default_rng(seed).permutation(300)

        def error(part: NDArray[np.int64], x: Features = features, y: NDArray[np.int64] = targets) -> float:
            head = fit_linear(x[part], y[part], 3, "classification", np.arange(len(part)))
            return float(((asked @ head.weight.numpy().T + head.bias.numpy()).argmax(1) != shown).mean())

        half = rows[:150]
        data = pictures(targets[half].tolist())
        curve = ended(curve_of(data, features[half], count=150, seen_on=6000, seconds=inf, wanted=5))
        gain = error(half) - error(rows)
        within.append(curve.gain.low <= gain <= curve.gain.high)
    assert sum(within) >= 3


def test_the_report_of_classes() -> None:
    features, targets = blobs(120)
    targets[60:80] = 2  # labels that say nothing: its pictures are found least
    curve = ended(
        curve_of(
            pictures(targets.tolist()), features, count=120, seen_on=50, is_proxy=True, seconds=inf, wanted=5
        )
    )
    assert isinstance(curve, LearningCurve)
    assert curve.sizes[-1] == 96 and curve.count == 120
    assert [point.count for point in curve.errors] == [120] * 5
    assert curve.gain.low is not None and curve.mean_gain.low is not None
    assert curve.gain.low < curve.mean_gain.low  # fewer pictures show it less sharply
    assert {one.name for one in curve.classes} == {"a", "b", "c"}
    assert curve.verdict().startswith("twice as many training pictures would bring about ")
    assert "as seen on 50 pictures), by a linear head on a pretrained network" in curve.verdict()
    assert f"; {curve.classes[0].name} needs them most" in curve.verdict()
    facts = curve.as_dict()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_the_class_that_gains_most_comes_first() -> None:
    draw = np.random.default_rng(0)
    targets = np.repeat([0, 1], 200)
    rates = np.stack([np.linspace(0.5, 0.3, 5), np.full(5, 0.02)])  # the first class still falls
    errors = [(draw.random((5, 400)) < rates[targets].T).astype(np.float64) for _ in range(5)]
    sizes = np.tile([80.0, 112, 160, 224, 320], (5, 1))
    curve = curve_from(
        Draws(sizes, [np.arange(400)] * 5, errors), targets, ["a", "b"], "classification", 400, 100
    )
    assert [one.name for one in curve.classes] == ["a", "b"]
    assert curve.classes[0].gain.value > 5 * curve.classes[1].gain.value


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_labels_and_numbers_have_a_curve_too(task: Task) -> None:
    features, targets = blobs(60)
    shown = [((0,), (1,), (0, 1))[kind] if task == "multilabel" else float(kind) for kind in targets]
    curve = ended(curve_of(pictures(shown, task), features, count=60, seen_on=40, seconds=inf, wanted=5))
    assert isinstance(curve, LearningCurve) and curve.classes == []
    assert curve.errors[0].value > curve.errors[-1].value > 0
    assert json.dumps(curve.as_dict(), allow_nan=False)
    assert ("less error" in curve.verdict()) == (task == "regression")


def test_without_one_mistake_nothing_is_promised() -> None:
    features, targets = blobs(60)
    features[np.arange(60), targets] += 50
    curve = ended(curve_of(pictures(targets.tolist()), features, count=60, seen_on=40, seconds=inf, wanted=5))
    assert curve.errors[-1].value == 0 and abs(curve.gain.value) < 0.02
    assert "needs them most" not in curve.verdict()


def test_too_few_pictures_are_said_to_be_so() -> None:
    features, targets = blobs(39)
    found = ended(curve_of(pictures(targets.tolist()), features, count=39, seen_on=40))
    assert isinstance(found, Withheld) and found.verdict().startswith("no learning curve: 39 different")
