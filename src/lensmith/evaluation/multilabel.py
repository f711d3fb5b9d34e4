"""Several labels a picture: average precision for each label and their mean, F1 at one half."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.evaluation.intervals import Value, bootstrap, f1, proportion
from lensmith.evaluation.ranking import mean_of, roc_auc
from lensmith.evaluation.report import ClassFigures, Report

Floats = NDArray[np.floating[Any]]


def sigmoid(logits: Floats, temperature: float = 1.0) -> Floats:
    """Probabilities, float64, without overflow."""
    halves: Floats = np.tanh(logits.astype(np.float64) / (2 * temperature))
    return (halves + 1) / 2


def measure_multilabel(logits: Floats, targets: NDArray[np.integer[Any]], classes: Sequence[str]) -> Report:
    """logits: [N, L]; targets: 0 or 1, [N, L]."""
    shown = targets.astype(bool)
    said = logits >= 0
    precisions = [average_precision(logits[:, i], shown[:, i]) for i in range(len(classes))]
    known = [p for p in precisions if not np.isnan(p)]
    areas = [roc_auc(logits[:, i], shown[:, i]) for i in range(len(classes))]
    mean_ap = float(np.mean(known)) if known else math.nan
    values = {
        "mean_ap": bootstrap(mean_precision(logits, shown), len(shown), mean_ap),
        "f1": bootstrap(lambda rows: _f1(shown[rows], said[rows]), len(shown), _f1(shown, said)),
        "roc_auc": mean_of(areas),
        "exact_match": proportion(int((shown == said).all(axis=1).sum()), len(shown)),
    }
    per_class = [
        _figures(name, shown[:, i], said[:, i], precisions[i], areas[i]) for i, name in enumerate(classes)
    ]
    baseline = float(np.mean(shown.mean(axis=0)[shown.any(axis=0)])) if known else None
    return Report("multilabel", len(shown), values, list(classes), per_class, [], baseline)


def mean_precision(logits: Floats, shown: NDArray[np.bool_]) -> Callable[[NDArray[np.intp]], float]:
    """A function of rows that were drawn, each as often as it was: their mean average precision; nan where no
    label is shown. logits, shown: [N, L]."""
    order = np.argsort(-logits, axis=0, kind="stable")

    def of(rows: NDArray[np.intp]) -> float:
        found = _weighted_precision(shown, order, np.bincount(rows, minlength=len(shown)))
        known = found[~np.isnan(found)]
        return float(known.mean()) if len(known) else math.nan

    return of


def average_precision(scores: Floats, shown: NDArray[np.bool_]) -> float:
    """Mean precision at the rank of each picture that shows the label; nan where none does."""
    if not shown.any():
        return float("nan")
    ranked = shown[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(precision[ranked].mean())


def _weighted_precision(shown: NDArray[np.bool_], order: NDArray[np.intp], times: NDArray[np.intp]) -> Floats:
    """Average precision of each label where picture i counts `times[i]` times; scores are ranked once."""
    weights = times[order].astype(np.float64)
    positive = weights * np.take_along_axis(shown, order, axis=0)
    right = np.cumsum(positive, axis=0)
    precision = right / np.maximum(np.cumsum(weights, axis=0), 1e-12)
    total = positive.sum(axis=0)
    sums: Floats = (precision * positive).sum(axis=0)
    return np.where(total > 0, sums / np.maximum(total, 1e-12), np.nan)


def _f1(shown: NDArray[np.bool_], said: NDArray[np.bool_]) -> float:
    """Mean over labels of F1; a label neither shown nor said is left out."""
    both = (shown & said).sum(axis=0)
    total = shown.sum(axis=0) + said.sum(axis=0)
    known = total > 0
    return float((2 * both[known] / total[known]).mean()) if known.any() else float("nan")


def _figures(
    name: str, shown: NDArray[np.bool_], said: NDArray[np.bool_], precision: float, area: Value
) -> ClassFigures:
    right, count, answers = int((shown & said).sum()), int(shown.sum()), int(said.sum())
    ap = None if np.isnan(precision) else precision
    recall, sound = proportion(right, count), proportion(right, answers)
    return ClassFigures(name, count, recall, sound, f1(right, count, answers), area, ap)
