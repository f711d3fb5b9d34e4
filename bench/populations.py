"""Populations whose figures are known, to draw pictures from: what `coverage.py` measures intervals on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from normal_scores import Array, Draw, labels, solve, tail, true_ap

from lensmith.evaluation.intervals import Value, f1, mean, proportion
from lensmith.evaluation.metrics import balanced_accuracy, log_loss, measure, softmax
from lensmith.evaluation.multilabel import mean_f1
from lensmith.evaluation.paired import paired_difference, paired_means
from lensmith.evaluation.precision import average_precision, mean_parts, mean_precision
from lensmith.evaluation.ranking import mean_area, rank, roc_auc
from lensmith.evaluation.regression import r2, root_mean_square

Cell = Callable[[Draw, int], tuple[Value, float]]
"""A draw of so many pictures -> the figure with its interval, and the truth."""


@dataclass(frozen=True)
class Case:
    """A figure in one kind of population. make: the truth aimed at -> one draw, or None where there is no such."""

    figure: str
    name: str
    make: Callable[[float], Cell | None]
    draws: int = 2000


# ---- shares, all in closed form


def share(true: float) -> Cell:
    return lambda draw, count: (proportion(int(draw.binomial(count, true)), count), true)


def recall(rare: float) -> Callable[[float], Cell]:
    """Of a class that this share of the pictures shows."""
    return lambda true: (
        lambda draw, count: (
            proportion(int(draw.binomial(shown := int(draw.binomial(count, rare)), true)), shown),
            true,
        )
    )


def f1_of(rare: float) -> Callable[[float], Cell]:
    """One class: as many pictures of it are missed as others are taken for it."""

    def make(true: float) -> Cell:
        cells = [rare * true, rare * (1 - true), rare * (1 - true), 1 - rare * (2 - true)]

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            right, missed, false, _ = (int(n) for n in draw.multinomial(count, cells))
            return f1(right, right + missed, right + false), true

        return one

    return make


def balanced(shares: Sequence[float], spread: float) -> Callable[[float], Cell]:
    def make(true: float) -> Cell:
        recalls = true + np.linspace(1, -1, len(shares)) * min(spread, 0.9 * (1 - true))

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            shown = draw.multinomial(count, shares)
            return balanced_accuracy(draw.binomial(shown, recalls), shown), float(recalls[shown > 0].mean())

        return one

    return make


def paired_shares(alone: float) -> Callable[[float], Cell]:
    """The first model is right as often as the truth says; the second alone on this share of the others."""

    def make(true: float) -> Cell:
        second, first = (1 - true) * alone, true * alone / 3
        cells = [first, second, 1 - first - second]

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            a, b, _ = (int(n) for n in draw.multinomial(count, cells))
            return paired_difference(a, b, count), first - second

        return one

    return make


# ---- scores: normal, a distance apart


def ap_of(rare: float, narrow: float) -> Callable[[float], Cell | None]:
    def make(true: float) -> Cell | None:
        distance = solve(lambda d: true_ap(d, rare, narrow), true, 0.1)
        if distance is None:
            return None

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            scores, shown = labels(draw, count, np.array([rare]), distance, narrow, 0.0)
            found = average_precision(rank(scores[:, 0], shown[:, 0]))
            return (Value(math.nan, None, None, count) if found is None else found.value), true

        return one

    return make


def area_of(rare: float, narrow: float) -> Callable[[float], Cell]:
    def make(true: float) -> Cell:
        distance = solve(lambda d: 1 - tail(np.array([d / math.hypot(1, narrow)]))[0], true) or 0.0

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            scores, shown = labels(draw, count, np.array([rare]), distance, narrow, 0.0)
            found = roc_auc(rank(scores[:, 0], shown[:, 0]))
            return (Value(math.nan, None, None, count) if found is None else found.value), true

        return one

    return make


def over_labels(figure: str, shares: Sequence[float], alike: float) -> Callable[[float], Cell | None]:
    """A mean over labels: mean_ap, roc_auc, f1 or exact_match."""
    rare = np.array(shares)

    def truth(distance: float) -> float:
        if figure == "mean_ap":
            return float(np.mean([true_ap(distance, p, 1.0) for p in rare]))
        if figure == "roc_auc":
            return float(1 - tail(np.array([distance / math.sqrt(2)]))[0])
        cuts = distance / 2 + np.log((1 - rare) / rare) / distance
        hits, false = rare * tail(cuts - distance), (1 - rare) * tail(cuts)
        return float((2 * hits / (hits + false + rare)).mean())

    def make(true: float) -> Cell | None:
        distance = solve(truth, true, 0.1 if figure == "mean_ap" else 0.0 if figure == "roc_auc" else 0.5)
        if distance is None:
            return None
        cuts = distance / 2 + np.log((1 - rare) / rare) / max(distance, 1e-9)

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            scores, shown = labels(draw, count, rare, distance, 1.0, alike)
            if figure == "f1":
                return mean_f1(shown, scores >= cuts), true
            ranked = [rank(scores[:, i], shown[:, i]) for i in range(len(rare))]
            if figure == "roc_auc":
                return mean_area([a for a in map(roc_auc, ranked) if a is not None], count), true
            return mean_precision([p for p in map(average_precision, ranked) if p is not None], count), true

        return one

    return make


def paired_precision(shares: Sequence[float]) -> Callable[[float], Cell | None]:
    """The difference of two models' mean average precision on the same pictures, the second a little worse."""
    rare = np.array(shares)

    def truth(distance: float) -> float:
        return float(np.mean([true_ap(distance, p, 1.0) for p in rare]))

    def make(true: float) -> Cell | None:
        distance = solve(truth, true, 0.5)
        if distance is None:
            return None
        apart = truth(distance) - truth(distance * 0.9)

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            scores, shown = labels(draw, count, rare, 0.0, 1.0, 0.2)
            parts = []
            for far in (distance, distance * 0.9):
                own = math.sqrt(0.6) * scores + math.sqrt(0.4) * draw.normal(size=scores.shape) + far * shown
                found = [average_precision(rank(own[:, i], shown[:, i])) for i in range(len(rare))]
                known = [p for p in found if p is not None]
                value = mean_precision(known, count)
                if value.low is None:
                    return value, apart
                parts.append(value.value + mean_parts(known))
            return paired_means(*parts)[0], apart

        return one

    return make


# ---- classes: normal logits, the shown one raised by a distance


def logits_of(draw: Draw, targets: Array, kinds: int, distance: float, scale: float) -> Array:
    logits = draw.normal(size=(len(targets), kinds))
    logits[np.arange(len(targets)), targets] += distance
    return logits * distance * scale


def distance_of(kinds: int, true: float) -> float:
    scores = np.random.default_rng(1).normal(size=(100_000, kinds))
    found = solve(
        lambda d: float((scores[:, 0] + d > scores[:, 1:].max(1)).mean()), max(true, 1 / kinds + 0.01)
    )
    return found or 0.0


def loss_of(kinds: int, scale: float) -> Callable[[float], Cell]:
    """scale: 1 says what is so, 2 is twice as sure."""

    def make(true: float) -> Cell:
        distance, large = distance_of(kinds, true), np.random.default_rng(2)
        parts = [logits_of(large, np.zeros(100_000, int), kinds, distance, scale) for _ in range(5)]
        truth = float(np.mean([-np.log(np.maximum(softmax(part)[:, 0], 1e-12)).mean() for part in parts]))

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            targets = draw.integers(0, kinds, count)
            return log_loss(softmax(logits_of(draw, targets, kinds, distance, scale)), targets), truth

        return one

    return make


def over_classes(figure: str, shares: Sequence[float]) -> Callable[[float], Cell | None]:
    """roc_auc or mean_ap of classes, by `measure` itself."""
    kinds, names = len(shares), [str(i) for i in range(len(shares))]

    def truth(distance: float) -> float:
        large = np.random.default_rng(3)
        targets = large.choice(kinds, 40_000, p=shares)
        return measure(logits_of(large, targets, kinds, distance, 1.0), targets, names)[figure].value

    def make(true: float) -> Cell | None:
        low, high = 0.05, 6.0
        if truth(low) > true:
            return None if figure == "mean_ap" else (lambda draw, count: chance(draw, count, 0.0, 0.5))
        for _ in range(14):
            middle = (low + high) / 2
            low, high = (middle, high) if truth(middle) < true else (low, middle)
        exact = truth(low)
        return lambda draw, count: chance(draw, count, low, exact)

    def chance(draw: Draw, count: int, distance: float, exact: float) -> tuple[Value, float]:
        targets = draw.choice(kinds, count, p=shares)
        logits = logits_of(draw, targets, kinds, max(distance, 1e-6), 1.0)
        return measure(logits, targets, names)[figure], exact

    return make


# ---- numbers

SHAPES: dict[str, tuple[Callable[[Draw, int], Array], float]] = {
    "normal errors": (lambda draw, count: draw.normal(size=count), math.sqrt(2 / math.pi)),
    "heavy errors": (lambda draw, count: draw.laplace(size=count) / math.sqrt(2), 1 / math.sqrt(2)),
}
"""Errors of variance 1, and the mean of their sizes."""


def number(figure: str, shape: str) -> Callable[[float], Cell]:
    errors, size = SHAPES[shape]

    def make(true: float) -> Cell:
        noise = math.sqrt(1 - true)
        truth = {"mae": noise * size, "rmse": noise, "r2": true}[figure]

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            error = noise * errors(draw, count)
            shown = math.sqrt(true) * draw.normal(size=count) + error
            found = {
                "mae": lambda: mean(np.abs(error), least=0.0),
                "rmse": lambda: root_mean_square(error),
                "r2": lambda: r2(-error, shown),
            }[figure]()
            return found, truth

        return one

    return make


def paired_errors(shape: str) -> Callable[[float], Cell]:
    errors, size = SHAPES[shape]

    def make(true: float) -> Cell:
        noise = math.sqrt(1 - true)

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            first, second = noise * errors(draw, count), 1.2 * noise * errors(draw, count)
            return paired_means(np.abs(first), np.abs(second))[0], noise * size * (1 - 1.2)

        return one

    return make


EVEN2, RARE2, EVEN10 = [0.5, 0.5], [0.9, 0.1], [0.1] * 10
RARE10, MIXED5 = [*[0.98 / 9] * 9, 0.02], [0.5, 0.4, 0.3, 0.2, 0.1]
CASES = [
    Case("accuracy, top 5, exact match", "any", share),
    Case("recall, precision", "half", recall(0.5)),
    Case("recall, precision", "one in ten", recall(0.1)),
    Case("F1 of a class", "half", f1_of(0.5)),
    Case("F1 of a class", "one in ten", f1_of(0.1)),
    Case("balanced accuracy", "2 classes", balanced(EVEN2, 0.05)),
    Case("balanced accuracy", "2, one rare", balanced(RARE2, 0.05)),
    Case("balanced accuracy", "10 classes", balanced(EVEN10, 0.1)),
    Case("balanced accuracy", "10, one rare", balanced(RARE10, 0.1)),
    Case("ROC-AUC of a class", "half", area_of(0.5, 1.0), 1000),
    Case("ROC-AUC of a class", "one in ten", area_of(0.1, 1.0), 1000),
    Case("ROC-AUC of a class", "half, narrow", area_of(0.5, 0.75), 1000),
    Case("mean ROC-AUC", "2 classes", over_classes("roc_auc", EVEN2), 600),
    Case("mean ROC-AUC", "10 classes", over_classes("roc_auc", EVEN10), 400),
    Case("mean ROC-AUC", "5 labels", over_labels("roc_auc", MIXED5, 0.3), 600),
    Case("average precision", "half", ap_of(0.5, 1.0)),
    Case("average precision", "one in five", ap_of(0.2, 1.0)),
    Case("average precision", "one in twenty", ap_of(0.05, 1.0)),
    Case("average precision", "half, narrow", ap_of(0.5, 0.75)),
    Case("average precision", "one in five, narrow", ap_of(0.2, 0.75)),
    Case("mean AP", "5 labels of 0.3", over_labels("mean_ap", [0.3] * 5, 0.0), 1000),
    Case("mean AP", "5 labels, one rare", over_labels("mean_ap", MIXED5, 0.3), 1000),
    Case("mean AP", "10 classes", over_classes("mean_ap", EVEN10), 400),
    Case("mean F1 of labels", "5 labels of 0.3", over_labels("f1", [0.3] * 5, 0.0), 1000),
    Case("mean F1 of labels", "5 labels, one rare", over_labels("f1", MIXED5, 0.3), 1000),
    Case("log loss", "2 classes", loss_of(2, 1.0)),
    Case("log loss", "10 classes", loss_of(10, 1.0), 1000),
    Case("log loss", "10, too sure", loss_of(10, 2.0), 1000),
    *(
        Case(name, shape, number(key, shape))
        for name, key in (("MAE", "mae"), ("RMSE", "rmse"), ("R2", "r2"))
        for shape in SHAPES
    ),
    Case("difference of accuracies", "few alone", paired_shares(0.2)),
    Case("difference of accuracies", "many alone", paired_shares(0.6)),
    *(Case("difference of MAE", shape, paired_errors(shape)) for shape in SHAPES),
    Case("difference of mean AP", "3 labels of 0.3", paired_precision([0.3] * 3), 600),
]
