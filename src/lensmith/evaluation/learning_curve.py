"""Would more pictures help? Measured with parts of the training pictures, told for twice as many.

Nothing here looks at held-out pictures: heads learn from some of the training pictures and are asked about others.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.data.dataset import ImageDataset
from lensmith.data.stratified import stratified_rows
from lensmith.data.target_array import target_array
from lensmith.evaluation.extrapolation import Falling, extrapolated
from lensmith.evaluation.intervals import Z95, Value, proportion
from lensmith.evaluation.learning_draws import HALF, Draws, draw_heads
from lensmith.evaluation.withheld import NO_BACKBONE, Withheld
from lensmith.features.embed import Features
from lensmith.types import Event, Task

Floats = NDArray[np.floating[Any]]

FEWEST = 40
"""Different training pictures under which a quarter of four fifths tells nothing."""
_MOST = 10_000
_NEEDIEST = 20
STUDY = "learning curve"


@dataclass(frozen=True)
class ClassNeed:
    """How well pictures of a class are found with all training pictures, and what twice as many would bring."""

    name: str
    recall: Value
    gain: Value

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"name": self.name, "recall": self.recall.as_dict(), "gain": self.gain.as_dict()}


@dataclass(frozen=True)
class LearningCurve:
    """What a linear head gets wrong, by the number of pictures that it learned from.

    sizes, errors: a point of the curve each, on training pictures that were left out. count: training pictures there
    are; draws: heads for each point. now, twice: the error expected with `count` pictures, and with twice as many.
    gain: by how much it falls, as it would be seen when a model with `count` pictures and one with twice as many are
    measured on `gain.count` others; mean_gain: on average over such models and any number of pictures.
    is_proxy: whether the run's own model is no such head.
    """

    task: Task
    sizes: list[float]
    errors: list[Value]
    count: int
    draws: int
    now: Value
    twice: Value
    gain: Value
    mean_gain: Value
    classes: list[ClassNeed]
    is_proxy: bool

    def verdict(self) -> str:
        """One sentence for a person."""
        words = f"twice as many training pictures would bring about {self._gained()}"
        if self.is_proxy:
            words += ", by a linear head on a pretrained network in the model's place"
        if self.classes and self.classes[0].recall.value < 1:
            need = self.classes[0]
            words += f"; {need.name} needs them most (of its pictures {need.recall.value:.1%} are found)"
        return words

    def _gained(self) -> str:
        scale, form, unit = (
            (1, ".3g", " less error") if self.task == "regression" else (100, ".1f", " points")
        )
        value, low, high = (scale * (end or 0.0) for end in (self.gain.value, self.gain.low, self.gain.high))
        return (
            f"{value:{form}}{unit} ({low:{form}} to {high:{form}}, as seen on {self.gain.count:,} pictures)"
        )

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        points = [
            {"pictures": size, "error": error.as_dict()}
            for size, error in zip(self.sizes, self.errors, strict=True)
        ]
        return {
            "verdict": self.verdict(),
            "task": self.task,
            "points": points,
            "count": self.count,
            "draws": self.draws,
            "now": self.now.as_dict(),
            "twice": self.twice.as_dict(),
            "gain": self.gain.as_dict(),
            "mean_gain": self.mean_gain.as_dict(),
            "classes": [one.as_dict() for one in self.classes],
            "is_proxy": self.is_proxy,
        }


def learning_curve(
    train: ImageDataset,
    seen_on: int,
    features: Features | None = None,
    *,
    is_proxy: bool = False,
    seed: int = 0,
    seconds: float = 60.0,
    store: bool = True,
    device: str = "cpu",
) -> Generator[Event, None, LearningCurve | Withheld]:
    """The curve of a linear head on features [N, D] of the training pictures, else on what the packaged network sees
    in them.

    seen_on: how many pictures a model is measured on: the fewer, the further a gain that is seen may lie from the
    true one. seconds: of fitting; looking at pictures for the first time comes on top. Of more than 10,000 pictures
    10,000 are taken, and the promise is still for all. Without the package, or with too few pictures, it says so.
    """
    from lensmith.features.backbone import is_there, look

    if features is None and not is_there():
        return Withheld(STUDY, NO_BACKBONE)
    part, unread = train, 0
    if len(train) > _MOST:
        rows = stratified_rows(train.targets, _MOST, seed)
        part = train.with_examples([train.examples[row] for row in rows.tolist()])
        features = None if features is None else features[rows]
    if features is None:
        looked = yield from look(part, store=store, device=device)
        part = part.with_examples([part.examples[row] for row in looked.rows.tolist()])
        features, unread = looked.features, len(looked.skipped)
    curve = yield from curve_of(
        part,
        features,
        count=len(train) - unread,
        seen_on=seen_on,
        is_proxy=is_proxy,
        seed=seed,
        seconds=seconds,
    )
    return curve


def curve_of(
    data: ImageDataset,
    features: Features,
    *,
    count: int,
    seen_on: int,
    is_proxy: bool = False,
    seed: int = 0,
    seconds: float = 60.0,
    wanted: int | None = None,
) -> Generator[Event, None, LearningCurve | Withheld]:
    """The same, from features: [N, D], of the pictures of `data`. wanted: draws, as in `draw_heads`."""
    groups = [example.group or identity for example, identity in zip(data.examples, data.ids, strict=True)]
    different = len(set(groups))
    if different < FEWEST:
        why = f"{different} different training pictures, and {FEWEST} are the fewest that tell anything"
        return Withheld(STUDY, why)
    targets, outputs = target_array(data), len(data.classes) or 1
    draws = yield from draw_heads(
        features, targets, groups, data.task, outputs, seed=seed, seconds=seconds, wanted=wanted
    )
    return curve_from(draws, targets, data.classes, data.task, count, seen_on, is_proxy)


def curve_from(
    draws: Draws,
    targets: NDArray[Any],
    classes: Sequence[str],
    task: Task,
    count: int,
    seen_on: int,
    is_proxy: bool = False,
) -> LearningCurve:
    """The curve and its promise from what the draws got wrong. targets: [N, ...]; count, seen_on: of pictures."""
    per_picture, asked = draws.per_picture(len(targets))
    per_picture = per_picture[:, asked]
    sizes, errors, spread = (
        draws.sizes.mean(axis=0),
        per_picture.mean(axis=1),
        _spread(draws, per_picture, task),
    )
    falling = extrapolated(sizes, errors, spread, count)
    is_share = task != "regression"
    points = [
        _point(float(error), float(variance), per_picture.shape[1], task)
        for error, variance in zip(errors, np.diag(spread), strict=True)
    ]
    gain = falling.gain
    noise = math.sqrt(_noise_of_one(draws, seen_on)) * np.random.default_rng(1).standard_normal(len(gain))
    needs = _needs(per_picture, targets[asked], classes, falling) if task == "classification" else []
    return LearningCurve(
        task,
        sizes.tolist(),
        points,
        count,
        len(draws),
        _believed(falling.now, len(targets), is_share),
        _believed(falling.then, len(targets), is_share),
        _between(float(gain.mean()), gain + noise, seen_on),
        _between(float(gain.mean()), gain, len(targets)),
        needs,
        is_proxy,
    )


def _spread(draws: Draws, per_picture: Floats, task: Task) -> Floats:
    """Covariance of the points, [S, S]: which pictures there are, and which of them each draw learned from."""
    count = per_picture.shape[1]
    of_pictures = np.cov(per_picture) / count
    means = np.stack([errors.mean(axis=1) for errors in draws.errors])
    of_draws = np.cov(means.T) / len(draws)
    # Without any mistake nothing varies: as much as one picture could have changed stays in doubt.
    unit = 1.0 if task != "regression" else max(float(per_picture.max()), 1e-12)
    spread: Floats = of_pictures + of_draws + np.eye(len(per_picture)) * (unit / count) ** 2
    return spread


def _noise_of_one(draws: Draws, seen_on: int) -> float:
    """Variance of the difference that is seen between one model and one with twice as many pictures, beside its mean:
    from what they are measured on, and from which pictures they happened to learn."""
    differences = [errors[HALF] - errors[-1] for errors in draws.errors]
    of_pictures = float(np.mean([one.var() for one in differences]))
    means = np.array([one.mean() for one in differences])
    asked = float(np.mean([len(one) for one in differences]))
    # Draws differ by what they are asked about; only what they differ more than that would let them, and by more than
    # a variance of so few draws is uncertain, is laid to what was learned from.
    surely = max(0.0, 1 - math.sqrt(2 / (len(means) - 1)))
    of_models = max(0.0, surely * float(means.var(ddof=1)) - of_pictures / asked)
    return of_pictures / max(1, seen_on) + of_models


def _point(error: float, variance: float, count: int, task: Task) -> Value:
    if task == "classification":
        return proportion(round(error * count), count)
    half = Z95 * math.sqrt(variance)
    return Value(error, max(0.0, error - half), error + half, count)


def _believed(drawn: Floats, count: int, is_share: bool) -> Value:
    value = _between(float(drawn.mean()), drawn, count)
    if not is_share or value.low is None or value.high is None:
        return value
    return Value(value.value, value.low, min(1.0, value.high), count)


def _between(value: float, drawn: Floats, count: int) -> Value:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Value(value, float(low), float(high), count)


def _needs(
    per_picture: Floats, targets: NDArray[np.int64], classes: Sequence[str], falling: Falling
) -> list[ClassNeed]:
    """Each class's recall with the most pictures, and what the next doubling would bring it, the most needy first.

    A class alone has few pictures: what its own last doubling brought is weighed against what all classes gain for
    each mistake (James and Stein's shrinkage), by how far each can be trusted.
    """
    shown = [kind for kind in range(len(classes)) if (targets == kind).any()]
    counts = np.array([(targets == kind).sum() for kind in shown], np.float64)
    error = np.array([per_picture[-1, targets == kind].mean() for kind in shown])
    steps = [(per_picture[HALF] - per_picture[-1])[targets == kind] for kind in shown]
    last, spread = (
        np.array([s.mean() for s in steps]),
        np.array([s.var() for s in steps]) / counts + counts**-2.0,
    )
    now, gain = float(falling.now.mean()), float(falling.gain.mean())
    before = max(float((per_picture[HALF] - per_picture[-1]).mean()), 1e-12)
    slower = min(1.0, gain / before)  # the next doubling brings less than the last one did
    own, common = last * slower, error * gain / max(now, 1e-12)
    variance = spread * slower**2
    apart = max(0.0, float(((own - common) ** 2 - variance).mean()))
    weight = apart / (apart + variance)
    expected = np.clip(weight * own + (1 - weight) * common, 0.0, error)
    half = Z95 * np.sqrt(weight * variance + (float(falling.gain.std()) * error / max(now, 1e-12)) ** 2)
    found = [
        ClassNeed(
            classes[kind],
            proportion(round((1 - error[at]) * counts[at]), int(counts[at])),
            Value(
                float(expected[at]),
                float(expected[at] - half[at]),
                float(min(error[at], expected[at] + half[at])),
                int(counts[at]),
            ),
        )
        for at, kind in enumerate(shown)
    ]
    return sorted(found, key=lambda need: (-need.gain.value, need.recall.value))[:_NEEDIEST]
