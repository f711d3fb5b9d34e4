"""From gathered outputs and targets to a `Report`. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.errors import DataError
from lensmith.evaluation.intervals import Z95, Value, f1, proportion
from lensmith.evaluation.multilabel import measure_multilabel
from lensmith.evaluation.ranking import mean_of, roc_auc
from lensmith.evaluation.regression import measure_regression
from lensmith.evaluation.report import ClassFigures, Report
from lensmith.types import Task

Floats = NDArray[np.floating[Any]]

_TOP = 5
_RANKED = 20_000_000
"""Scores that are ranked in about two seconds."""


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Probabilities, float64 [N, C]."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def measure(
    logits: Floats, targets: NDArray[Any], classes: Sequence[str], task: Task = "classification"
) -> Report:
    """What a task is measured by. logits: [N, outputs]; targets: [N] indices, [N, L] of 0 and 1, or numbers.

    Raises `DataError` on outputs that are not numbers and on targets that do not fit them.
    """
    if not len(targets):
        raise DataError("nothing to measure: no pictures")
    if not np.isfinite(logits).all():
        bad = int((~np.isfinite(logits)).reshape(len(logits), -1).any(axis=1).sum())
        raise DataError(
            f"the model's outputs for {bad} of {len(logits)} pictures are not finite",
            hint="Its training diverged; try a lower lr.",
        )
    if task == "multilabel":
        return measure_multilabel(logits, targets, classes)
    if task == "regression":
        return measure_regression(logits, targets)
    return _measure_classification(logits, targets, classes)


def _measure_classification(
    logits: Floats, targets: NDArray[np.integer[Any]], classes: Sequence[str]
) -> Report:
    """Accuracy, balanced accuracy, top 5, ROC-AUC and log loss, a table per class, the confusion matrix.

    logits: [N, C]; targets: class indices [N].
    """
    _refuse_unfit(logits, targets, len(classes))
    count, kinds = len(targets), len(classes)
    answers = logits.argmax(axis=1)
    confusion = np.zeros((kinds, kinds), np.int64)
    np.add.at(confusion, (targets, answers), 1)
    probabilities = softmax(logits)
    areas = _areas(probabilities, targets)
    per_class = [
        _figures(name, i, confusion, area) for i, (name, area) in enumerate(zip(classes, areas, strict=True))
    ]
    recalls = [c.recall.value for c in per_class if c.count]
    values = {
        "accuracy": proportion(int(np.trace(confusion)), count),
        "balanced_accuracy": _balanced(recalls, confusion),
    }
    if kinds > _TOP:
        values["top_5_accuracy"] = proportion(_among_first(logits, targets, _TOP), count)
    if known := [area for area in areas if area is not None]:
        values["roc_auc"] = mean_of(known)
    chances = probabilities[np.arange(count), targets]
    values["log_loss"] = _mean(-np.log(np.maximum(chances, 1e-12)))
    baseline = float(confusion.sum(axis=1).max() / count)
    return Report("classification", count, values, list(classes), per_class, confusion.tolist(), baseline)


def _refuse_unfit(logits: Floats, targets: NDArray[np.generic], kinds: int) -> None:
    if targets.ndim != 1 or not np.issubdtype(targets.dtype, np.integer):
        raise DataError(
            f"targets are {targets.dtype} {list(targets.shape)}, and class indices [N] are measured",
            hint="Give each picture the number of its class, from 0.",
        )
    if logits.shape != (len(targets), kinds):
        raise DataError(
            f"the model gives {list(logits.shape)} for {len(targets)} pictures of {kinds} classes",
            hint="Give one name per output, in their order.",
        )
    indices = targets.astype(np.int64)
    strange = indices[(indices < 0) | (indices >= kinds)]
    if len(strange):
        raise DataError(
            f"target {strange[0]} is no class of a model with {kinds} outputs", hint="Classes count from 0."
        )


def _areas(probabilities: Floats, targets: NDArray[np.integer[Any]]) -> list[Value | None]:
    """ROC-AUC of each class against all others; none where it would take seconds."""
    kinds = probabilities.shape[1]
    if probabilities.size > _RANKED:
        return [None] * kinds
    return [roc_auc(probabilities[:, kind], targets == kind) for kind in range(kinds)]


def _among_first(logits: Floats, targets: NDArray[np.integer[Any]], first: int) -> int:
    """How many pictures have their class among the `first` likeliest; a tie counts as the answers list it."""
    order = np.argsort(-logits, axis=1, kind="stable")[:, :first]
    return int((order == targets[:, None]).any(axis=1).sum())


def _figures(name: str, index: int, confusion: NDArray[np.int64], area: Value | None) -> ClassFigures:
    right = int(confusion[index, index])
    shown, said = int(confusion[index].sum()), int(confusion[:, index].sum())
    recall, precision = proportion(right, shown), proportion(right, said)
    return ClassFigures(name, shown, recall, precision, f1(right, shown, said), area)


def _balanced(recalls: Sequence[float], confusion: NDArray[np.int64]) -> Value:
    """Mean recall; its interval by the delta method, from each class's own (Agresti-Coull) variance."""
    shown = confusion.sum(axis=1)
    shown, right = shown[shown > 0], np.diag(confusion)[shown > 0]
    smoothed = (right + 2) / (shown + 4)
    spread = Z95 * float(np.sqrt((smoothed * (1 - smoothed) / (shown + 4)).sum())) / len(shown)
    mean = float(np.mean(recalls))
    return Value(mean, max(0.0, mean - spread), min(1.0, mean + spread), int(shown.sum()))


def _mean(losses: Floats) -> Value:
    """A mean with its normal interval, withheld under 30 pictures."""
    mean, count = float(losses.mean()), len(losses)
    if count < 30:
        return Value(mean, None, None, count, "too few pictures for an interval of a mean")
    half = Z95 * float(losses.std(ddof=1)) / count**0.5
    return Value(mean, max(0.0, mean - half), mean + half, count)
