"""A baseline that learns nothing: each picture gets the answer of the training pictures most like it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.data.dataset import ImageDataset
from lensmith.data.stratified import stratified_rows
from lensmith.data.target_array import target_array
from lensmith.evaluation.comparison import Comparison, Measured, compare
from lensmith.evaluation.intervals import Value
from lensmith.evaluation.metrics import measure
from lensmith.evaluation.withheld import NO_BACKBONE, Withheld
from lensmith.features.embed import Features
from lensmith.features.similar import nearest
from lensmith.runs.predictions import Predictions
from lensmith.types import Event, Task

Floats = NDArray[np.floating[Any]]

SEVERAL = 10
"""Neighbours that vote together; chosen beforehand, so that nothing is chosen on the held-out pictures."""
_SHARPNESS = 0.07
"""A neighbour's vote is exp(cosine / this) (Wu and others, 2018, arXiv:1805.01978, section 3.4)."""
_KNOWN, _ASKED = 50_000, 10_000
"""Training pictures that are looked among, and held-out ones that are asked about, at most."""
_ONE, _MANY = "the nearest training picture", f"the {SEVERAL} nearest training pictures"


@dataclass(frozen=True)
class Baseline:
    """What one way of asking neighbours reaches, and the model beside it on the same pictures."""

    name: str
    value: Value
    comparison: Comparison

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        beside = self.comparison
        return {
            "name": self.name,
            "value": self.value.as_dict(),
            "difference": beside.difference.as_dict(),
            "p": beside.chance,
            "better": {None: None, beside.first: "model"}.get(beside.better, "neighbours"),
        }


@dataclass(frozen=True)
class BesideNeighbours:
    """A model beside the neighbours. figure: what is compared; known: training pictures that were looked among."""

    figure: str
    model: Value
    baselines: list[Baseline]
    known: int

    def verdict(self) -> str:
        """One sentence for a person."""
        best = self._best()
        beside, is_share = best.comparison, self.figure == "accuracy"
        form, scale, unit = (".1f", 100, " points") if is_share else (".3f", 1, "")
        value = f"{best.value.value:.1%}" if is_share else f"{best.value.value:.3f}"
        words = f"without any training, {best.name} give{'s' if best.name == _ONE else ''} {value}"
        apart = beside.difference
        if beside.better is None or apart.low is None or apart.high is None:
            return f"{words}, and no difference to the model that {beside.count:,} pictures can show"
        low, high = sorted(abs(end) for end in (apart.low, apart.high))
        than = "better" if beside.better == beside.first else "worse"
        between = f"({scale * low:{form}} to {scale * high:{form}})"
        return f"{words}; the model is {than} by {scale * abs(apart.value):{form}}{unit} {between}"

    def _best(self) -> Baseline:
        sign = -1 if self.figure == "mae" else 1
        return max(self.baselines, key=lambda one: sign * one.value.value)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "verdict": self.verdict(),
            "figure": self.figure,
            "model": self.model.as_dict(),
            "known": self.known,
            "baselines": [one.as_dict() for one in self.baselines],
        }


def beside_neighbours(
    model: Measured,
    train: ImageDataset,
    held_out: ImageDataset,
    *,
    store: bool = True,
    device: str = "cpu",
) -> Generator[Event, None, BesideNeighbours | Withheld]:
    """The nearest neighbours by what the packaged network sees, measured on the same pictures as the model.

    Of very many pictures some are taken, each class in its share. Without the package it says so instead.
    """
    from lensmith.features.backbone import is_there, look

    if not is_there():
        return Withheld("baseline of neighbours", NO_BACKBONE)
    known, asked = _some(train, _KNOWN), _some(held_out, _ASKED)
    seen = yield from look(known, store=store, device=device)
    others = yield from look(asked, store=store, device=device)
    known = known.with_examples([known.examples[row] for row in seen.rows.tolist()])
    asked = asked.with_examples([asked.examples[row] for row in others.rows.tolist()])
    return compare_neighbours(model, known, seen.features, asked, others.features)


def compare_neighbours(
    model: Measured, known: ImageDataset, seen: Features, asked: ImageDataset, others: Features
) -> BesideNeighbours:
    """The same, from features: `seen` [N, D] of the training pictures `known`, `others` [M, D] of `asked`."""
    rows, cosines = nearest(others, seen, SEVERAL)
    shown = target_array(known)
    named = {_ONE: 1, _MANY: SEVERAL}
    answers = {
        name: _answered(name, _votes(shown, rows[:, :count], cosines[:, :count], known), asked)
        for name, count in named.items()
        if count == 1 or rows.shape[1] > 1
    }
    found = compare([model, *answers.values()])
    baselines = [
        Baseline(one.name, _main(one), beside) for one, beside in zip(answers.values(), found, strict=True)
    ]
    return BesideNeighbours(found[0].figure, _main(model), baselines, len(known))


def _some(data: ImageDataset, most: int) -> ImageDataset:
    if len(data) <= most:
        return data
    return data.with_examples([data.examples[row] for row in stratified_rows(data.targets, most).tolist()])


def _votes(shown: NDArray[Any], rows: NDArray[np.int64], cosines: Floats, data: ImageDataset) -> Floats:
    """Outputs, [M, outputs], of weighted votes of neighbours [M, count]."""
    powers = np.exp((cosines - cosines[:, :1]).astype(np.float64) / _SHARPNESS)
    weights = powers / powers.sum(axis=1, keepdims=True)
    if data.task == "classification":
        shares = np.zeros((len(rows), len(data.classes)))
        np.add.at(shares, (np.arange(len(rows))[:, None], shown[rows]), weights)
        return np.log(shares + 1e-9)
    means: Floats = (weights[:, :, None] * shown[rows].astype(np.float64)).sum(axis=1)
    if data.task == "multilabel":
        means = np.log(means + 1e-9) - np.log(1 - means + 1e-9)
    return means


def _answered(name: str, outputs: Floats, asked: ImageDataset) -> Measured:
    count = len(asked)
    files = np.array([str(example.source) for example in asked.examples])
    targets = target_array(asked)
    if asked.task != "multilabel":
        targets = targets.reshape(count)
    predictions = Predictions(
        np.array(asked.ids), targets, outputs.astype(np.float32), np.full(count, ""), files
    )
    return Measured(name, asked.task, asked.classes, predictions)


def _main(one: Measured) -> Value:
    """The figure that matters first."""
    task: Task = one.task
    targets = one.predictions.targets
    if task == "multilabel":
        targets = targets.astype(np.int64)
    report = measure(one.predictions.logits, targets, one.classes, task)
    return report[report.main]
