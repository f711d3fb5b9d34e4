"""Several labels a picture: average precision for each label and their mean, F1 of the answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.errors import DataError
from lensmith.evaluation.baseline import Baseline
from lensmith.evaluation.intervals import FEW, Floats, Value, f1, mean, mean_of_shares, proportion
from lensmith.evaluation.paired import paired_means
from lensmith.evaluation.precision import Precision, average_precision, mean_parts, mean_precision
from lensmith.evaluation.ranking import mean_area, rank, roc_auc
from lensmith.evaluation.report import ClassFigures, Report


def sigmoid(logits: Floats, temperature: float = 1.0) -> Floats:
    """Probabilities, float64, without overflow."""
    halves: Floats = np.tanh(logits.astype(np.float64) / (2 * temperature))
    return (halves + 1) / 2


def measure_multilabel(
    logits: Floats,
    targets: NDArray[np.integer[Any]],
    classes: Sequence[str],
    thresholds: Floats | None = None,
) -> Report:
    """logits: [N, L]; targets: 0 or 1, [N, L]; thresholds: the probability from which on each label is said, [L], one
    half if not given. With them, `f1_at_half` tells what one half would do. Raises `DataError` for other shapes."""
    if thresholds is not None and np.shape(thresholds) != (len(classes),):
        raise DataError(
            f"{list(np.shape(thresholds))} thresholds for {len(classes)} labels", hint="Give one a label."
        )
    shown, probabilities = targets.astype(bool), sigmoid(logits)
    said = probabilities >= (0.5 if thresholds is None else thresholds)
    count, ranked = len(shown), [rank(logits[:, i], shown[:, i]) for i in range(len(classes))]
    precisions = [average_precision(one) for one in ranked]
    areas = [roc_auc(one) for one in ranked]
    known = [one for one in precisions if one is not None]
    values = {"mean_ap": mean_precision(known, count), "f1": mean_f1(shown, said)}
    if thresholds is not None:
        values["f1_at_half"] = mean_f1(shown, probabilities >= 0.5)
    values["roc_auc"] = mean_area([one for one in areas if one is not None], count)
    values["exact_match"] = proportion(int((shown == said).all(axis=1).sum()), count)
    per_class = [
        ClassFigures(
            name,
            int(shown[:, i].sum()),
            *_answered(shown[:, i], said[:, i]),
            None if area is None else area.value,
            None if precision is None else precision.value,
            None if thresholds is None else float(thresholds[i]),
        )
        for i, (name, area, precision) in enumerate(zip(classes, areas, precisions, strict=True))
    ]
    return Report(
        "multilabel", count, values, list(classes), per_class, [], _chance(shown, values["mean_ap"], known)
    )


def _answered(shown: NDArray[np.bool_], said: NDArray[np.bool_]) -> tuple[Value, Value, Value]:
    """Recall, precision and F1 of a label."""
    right, shows, says = int((shown & said).sum()), int(shown.sum()), int(said.sum())
    return proportion(right, shows), proportion(right, says), f1(right, shows, says)


def mean_f1(shown: NDArray[np.bool_], said: NDArray[np.bool_]) -> Value:
    """Mean over labels of F1; a label neither shown nor said is left out. shown, said: [N, L].

    Its interval is that of a share with the variance that the pictures give it (delta method; a picture counts for
    all its labels). No label's own variance is taken below that of its F1 pulled a little towards one half and
    towards the others, since few pictures that are all right would show none.
    """
    count = len(shown)
    known = (shown | said).any(axis=0)
    if not known.any():
        return Value(math.nan, None, None, count, "no label is shown or said")
    shown, said = shown[:, known], said[:, known]
    both = (shown & said).sum(axis=0)
    total = shown.sum(axis=0) + said.sum(axis=0)
    figures = 2 * both / total
    found = float(figures.mean())
    if count < FEW:
        return Value(found, None, None, count, f"fewer than {FEW} pictures")
    parts = (2.0 * (shown & said) - figures * (shown.astype(float) + said)) * (count / total)
    either = total - both
    smoothed = (both + (both / either).mean() + 0.5) / (either + 2)
    least = smoothed * (1 - smoothed) / either * (2 / (1 + smoothed) ** 2) ** 2
    excess = np.maximum(0.0, least - np.square(parts).mean(axis=0) / count)
    variance = float(np.square(parts.mean(axis=1)).mean()) / count + float(excess.sum()) / len(figures) ** 2
    return replace(
        mean_of_shares(found, variance, float((2 * smoothed / (1 + smoothed)).mean()), either), count=count
    )


def _chance(shown: NDArray[np.bool_], found: Value, precisions: Sequence[Precision]) -> Baseline | None:
    """Scores by chance: their average precision is about the share of pictures that show the label."""
    if not precisions:
        return None
    shares = shown[:, shown.any(axis=0)].mean(axis=1)
    difference, chance = paired_means(found.value + mean_parts(precisions), shares)
    if found.low is None:
        difference, chance = replace(difference, low=None, high=None, why=found.why), 1.0
    return Baseline("scores by chance", mean(shares, least=0.0), difference, chance)
