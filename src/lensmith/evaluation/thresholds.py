"""The probability from which on a label is said."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.evaluation.intervals import Floats

_WEIGHT = 10
"""Pictures showing a label, as many as one half counts for against the threshold that those pictures would have."""
_FURTHEST = 6.0
"""From one half, in logits."""


def choose_thresholds(logits: Floats, targets: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """For each label the probability from which on saying it gives the best F1, float32 [L].

    It is drawn towards one half the more, the fewer pictures show the label (on the scale of logits, by 10 /
    (10 + pictures)), and is one half where that does as well. Choose on pictures that the model has not learned from
    and is not measured on. logits: [N, L]; targets: 0 or 1, [N, L].
    """
    shown = targets.astype(bool)
    cuts = [_best_cut(logits[:, i].astype(np.float64), shown[:, i]) for i in range(logits.shape[1])]
    shows = shown.sum(axis=0)
    drawn = np.clip(np.array(cuts) * shows / (shows + _WEIGHT), -_FURTHEST, _FURTHEST)
    found: NDArray[np.float32] = (1 / (1 + np.exp(-drawn))).astype(np.float32)
    return found


def _best_cut(scores: Floats, shown: NDArray[np.bool_]) -> float:
    """The logit at which the pictures above have the best F1; in the middle between two pictures, or 0 if that lies
    between them too."""
    if not shown.any():
        return 0.0
    order = np.argsort(-scores)
    ordered, right = scores[order], np.cumsum(shown[order])
    last = np.append(ordered[1:] < ordered[:-1], True)  # of the pictures of one score
    figures = np.where(last, 2 * right / (np.arange(1, len(scores) + 1) + shown.sum()), 0.0)
    at = int(figures.argmax())
    above, below = ordered[at], ordered[at + 1] if at + 1 < len(scores) else ordered[at] - 1
    return 0.0 if below < 0 <= above else float(above + below) / 2
