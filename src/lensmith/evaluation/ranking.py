"""How well scores rank pictures that show a class above those that do not: ROC-AUC."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.evaluation.intervals import Z95, Value

Floats = NDArray[np.floating[Any]]

_HALVINGS = 50
"""Of an end of an interval: to the last digits of a double."""


def roc_auc(scores: Floats, shown: NDArray[np.bool_]) -> Value:
    """The chance that a picture which shows the class gets a higher score than one which does not; ties count half.

    Its interval holds those areas that are not too far from the one found, by the spread that an area of such a
    size has (R. G. Newcombe, Statistics in Medicine 25 (2006), p. 559, method 5): also near 1, and with few
    pictures. scores: [N]; shown: bool [N].
    """
    positive, negative = int(shown.sum()), int((~shown).sum())
    if not positive or not negative:
        why = "all pictures show it" if positive else "no picture shows it"
        return Value(math.nan, None, None, len(shown), why)
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    area = float((ranks[shown].sum() - positive * (positive + 1) / 2) / (positive * negative))
    low, high = (_end(area, end, positive, negative) for end in (0.0, 1.0))
    return Value(area, low, high, len(shown))


def mean_of(values: Sequence[Value]) -> Value:
    """The mean of the areas of all classes, with the interval that theirs give it (Zou and Donner, Statistics in
    Medicine 27 (2008), p. 1693); those without one are left out.

    A picture counts in the areas of all classes, so that they err together: of two classes wholly, of many little.
    """
    known = [one for one in values if one.low is not None and one.high is not None]
    count = max((one.count for one in values), default=0)
    if not known:
        return Value(math.nan, None, None, count, "no class that some pictures show and some do not")
    mean = sum(one.value for one in known) / len(known)
    below = _together([one.value - (one.low or 0.0) for one in known])
    above = _together([(one.high or 1.0) - one.value for one in known])
    return Value(mean, max(0.0, mean - below), min(1.0, mean + above), count)


def _together(halves: Sequence[float]) -> float:
    """Of the distances to the ends of intervals, that of their mean."""
    alike = 1 / max(1, len(halves) - 1)
    apart = sum(half**2 for half in halves)
    return math.sqrt((1 - alike) * apart + alike * sum(halves) ** 2) / len(halves)


def _end(area: float, end: float, positive: int, negative: int) -> float:
    """Between the area and an end of the scale, what lies just near enough to the area."""
    half = (positive + negative) / 2 - 1

    def is_far(other: float) -> bool:
        spread = other * (1 - other) * (1 + half * ((1 - other) / (2 - other) + other / (1 + other)))
        return abs(other - area) > Z95 * math.sqrt(spread / (positive * negative))

    near, far = area, end
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        near, far = (near, middle) if is_far(middle) else (middle, far)
    return near
