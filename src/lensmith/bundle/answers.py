"""From logits to `Prediction`s."""

from __future__ import annotations

import numpy as np

from lensmith.bundle.engines import Logits
from lensmith.bundle.facts import BundleFacts
from lensmith.evaluation.metrics import softmax
from lensmith.types import Prediction

TOP = 5


def answers(logits: Logits, facts: BundleFacts) -> list[Prediction]:
    """One `Prediction` per row of logits."""
    probabilities = softmax(logits, facts.temperature)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    found = []
    for row, best in zip(probabilities, order, strict=True):
        top = tuple((facts.classes[i], float(row[i])) for i in best)
        label, probability = top[0]
        found.append(Prediction(label, probability, probability >= facts.threshold, top))
    return found
