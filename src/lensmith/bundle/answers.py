"""From logits to `Prediction`s."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lensmith.bundle.engines import Logits
from lensmith.bundle.facts import BundleFacts
from lensmith.evaluation.intervals import Floats
from lensmith.evaluation.metrics import softmax
from lensmith.evaluation.multilabel import sigmoid
from lensmith.types import Prediction

TOP = 5


def scores(logits: Logits, facts: BundleFacts) -> Floats:
    """What the task makes of logits: probabilities [N, outputs], or the numbers themselves."""
    if facts.task == "regression":
        return logits
    return (sigmoid if facts.task == "multilabel" else softmax)(logits, facts.temperature)


def answers(logits: Logits, facts: BundleFacts, unlike: NDArray[np.bool_] | None = None) -> list[Prediction]:
    """One `Prediction` per row of logits. unlike: bool [N], the pictures that are unlike the training ones."""
    found = _by_scores(scores(logits, facts), facts)
    for row in [] if unlike is None else np.flatnonzero(unlike):
        found[row] = replace(found[row], sure=False, unlike=True)
    return found


def _by_scores(given: Floats, facts: BundleFacts) -> list[Prediction]:
    if facts.task == "regression":
        return [Prediction(f"{value:.4g}", 1.0, True, value=float(value)) for value in given[:, 0]]
    if facts.task == "multilabel":
        return [_labels(row, facts) for row in given]
    order = np.argsort(-given, axis=1, kind="stable")[:, :TOP]
    found = []
    for row, best in zip(given, order, strict=True):
        top = tuple((facts.classes[i], float(row[i])) for i in best)
        label, probability = top[0]
        found.append(Prediction(label, probability, probability >= facts.threshold, top))
    return found


def _labels(row: Floats, facts: BundleFacts) -> Prediction:
    """Every label whose probability reaches its threshold. As sure as the least certain yes or no."""
    order = np.argsort(-row, kind="stable")
    top = tuple((facts.classes[i], float(row[i])) for i in order)
    said = row >= (0.5 if facts.label_thresholds is None else facts.label_thresholds)
    labels = tuple(facts.classes[i] for i in order if said[i])
    certain = float(np.where(said, row, 1 - row).min())
    return Prediction(", ".join(labels) or "none", certain, certain >= facts.threshold, top, labels)
