"""From gathered outputs and targets to a `Report`. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.errors import DataError
from lensmith.evaluation.baseline import Baseline
from lensmith.evaluation.intervals import Floats, Value, f1, mean, mean_of_shares, proportion
from lensmith.evaluation.multilabel import measure_multilabel
from lensmith.evaluation.paired import mcnemar, paired_difference
from lensmith.evaluation.precision import Precision, average_precision, mean_precision
from lensmith.evaluation.ranking import Area, mean_area, rank, roc_auc
from lensmith.evaluation.regression import measure_regression
from lensmith.evaluation.report import ClassFigures, Report
from lensmith.types import Task

_TOP = 5
_RANKED = 10_000_000
"""Scores that are ranked in about two seconds."""


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Probabilities, float64 [N, C]."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def measure(
    logits: Floats,
    targets: NDArray[Any],
    classes: Sequence[str],
    task: Task = "classification",
    thresholds: Floats | None = None,
) -> Report:
    """What a task is measured by. logits: [N, outputs]; targets: [N] indices, [N, L] of 0 and 1, or numbers;
    thresholds: of several labels, the probability from which on each is said, [L], one half if not given.

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
        return measure_multilabel(logits, targets, classes, thresholds)
    if task == "regression":
        return measure_regression(logits, targets)
    return _measure_classification(logits, targets, classes)


def _measure_classification(
    logits: Floats, targets: NDArray[np.integer[Any]], classes: Sequence[str]
) -> Report:
    """Accuracy, balanced accuracy, top 5, ROC-AUC, mean average precision and log loss, a table per class, the
    confusion matrix. logits: [N, C]; targets: class indices [N].
    """
    _refuse_unfit(logits, targets, len(classes))
    count, kinds = len(targets), len(classes)
    answers = logits.argmax(axis=1)
    confusion = np.zeros((kinds, kinds), np.int64)
    np.add.at(confusion, (targets, answers), 1)
    probabilities = softmax(logits)
    areas, precisions = _ranked(probabilities, targets)
    per_class = [
        _figures(name, i, confusion, area, precision)
        for i, (name, area, precision) in enumerate(zip(classes, areas, precisions, strict=True))
    ]
    values = {
        "accuracy": proportion(int(np.trace(confusion)), count),
        "balanced_accuracy": balanced_accuracy(np.diag(confusion), confusion.sum(axis=1)),
    }
    if kinds > _TOP:
        values["top_5_accuracy"] = proportion(_among_first(logits, targets, _TOP), count)
    if probabilities.size <= _RANKED:
        values["roc_auc"] = mean_area([area for area in areas if area is not None], count)
        values["mean_ap"] = mean_precision([one for one in precisions if one is not None], count)
    values["log_loss"] = log_loss(probabilities, targets)
    baseline = _commonest(classes, targets, answers)
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


def _ranked(
    probabilities: Floats, targets: NDArray[np.integer[Any]]
) -> tuple[list[Area | None], list[Precision | None]]:
    """ROC-AUC and average precision of each class against all others; none where it would take seconds."""
    kinds = probabilities.shape[1]
    if probabilities.size > _RANKED:
        return [None] * kinds, [None] * kinds
    ranked = [rank(probabilities[:, kind], targets == kind) for kind in range(kinds)]
    return [roc_auc(one) for one in ranked], [average_precision(one) for one in ranked]


def _among_first(logits: Floats, targets: NDArray[np.integer[Any]], first: int) -> int:
    """How many pictures have their class among the `first` likeliest; a tie counts as the answers list it."""
    order = np.argsort(-logits, axis=1, kind="stable")[:, :first]
    return int((order == targets[:, None]).any(axis=1).sum())


def _figures(
    name: str, index: int, confusion: NDArray[np.int64], area: Area | None, ranked: Precision | None
) -> ClassFigures:
    right = int(confusion[index, index])
    shown, said = int(confusion[index].sum()), int(confusion[:, index].sum())
    recall, precision = proportion(right, shown), proportion(right, said)
    ranks = None if area is None else area.value, None if ranked is None else ranked.value
    return ClassFigures(name, shown, recall, precision, f1(right, shown, said), *ranks)


def balanced_accuracy(right: NDArray[np.integer[Any]], shown: NDArray[np.integer[Any]]) -> Value:
    """The mean recall of the classes that are shown. right, shown: pictures of each class, [C].

    Its interval is that of a share with its variance, the sum of those of the recalls: each pulled towards one half
    and towards their mean by a picture, since a class of few pictures that are all right would show none.
    """
    right, shown = right[shown > 0], shown[shown > 0]
    found = float((right / shown).mean())
    recalls = (right + found + 0.5) / (shown + 2)
    variance = float((recalls * (1 - recalls) / shown).sum()) / len(shown) ** 2
    return mean_of_shares(found, variance, float(recalls.mean()), shown)


def log_loss(probabilities: Floats, targets: NDArray[np.integer[Any]]) -> Value:
    """The mean of the negative logarithms of the probabilities of what is shown. Its interval is withheld where no
    answer is wrong: what a wrong one would cost has not been seen, and that is most of the loss."""
    chances = probabilities[np.arange(len(targets)), targets]
    found = mean(-np.log(np.maximum(chances, 1e-12)), least=0.0)
    if found.low is not None and (probabilities.argmax(axis=1) == targets).all():
        return Value(found.value, None, None, found.count, "no wrong answer was seen, which would cost most")
    return found


def _commonest(
    classes: Sequence[str], targets: NDArray[np.integer[Any]], answers: NDArray[np.intp]
) -> Baseline:
    """Always saying the commonest class of these pictures."""
    counts = np.bincount(targets, minlength=len(classes))
    often = int(counts.argmax())
    is_common, right = targets == often, answers == targets
    model, guess = int((right & ~is_common).sum()), int((~right & is_common).sum())
    difference = paired_difference(model, guess, len(targets))
    return Baseline(
        classes[often], proportion(int(counts[often]), len(targets)), difference, mcnemar(model, guess)
    )
