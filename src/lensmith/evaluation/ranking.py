"""How well scores put the pictures that show a class above those that do not: ROC-AUC."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lensmith.evaluation.intervals import Z95, Floats, Value

_HALVINGS = 50
"""Of an end of an interval: to the last digits of a double."""
_TRUST = 100
"""Pictures that show a class, or do not, from which on their own spread counts for more than the usual one."""


@dataclass(frozen=True)
class Ranked:
    """Pictures by their scores for one class, highest first; those of one score share a level.

    level: int [N], of each picture in its own order; positive, negative: pictures of each level that show the class
    and that do not, float64 [levels].
    """

    shown: NDArray[np.bool_]
    level: NDArray[np.intp]
    positive: Floats
    negative: Floats

    @property
    def count(self) -> int:
        """Pictures."""
        return len(self.shown)

    @cached_property
    def shows(self) -> int:
        """Pictures that show the class."""
        return int(self.shown.sum())


def rank(scores: Floats, shown: NDArray[np.bool_]) -> Ranked:
    """scores: [N]; shown: bool [N]."""
    order = np.argsort(-scores)
    ordered = scores[order]
    steps = np.concatenate(([0], np.cumsum(ordered[1:] != ordered[:-1])))
    level = np.empty(len(scores), np.intp)
    level[order] = steps
    sizes = np.bincount(level).astype(np.float64)
    positive = np.bincount(level, weights=shown.astype(np.float64), minlength=len(sizes)).astype(np.float64)
    return Ranked(shown, level, positive, sizes - positive)


@dataclass(frozen=True)
class Area:
    """A ROC-AUC, and what each picture adds to it.

    parts: float64 [N], with the mean 0; the area varies as their mean does.
    """

    value: Value
    parts: Floats


def roc_auc(ranked: Ranked) -> Area | None:
    """The chance that a picture which shows the class gets a higher score than one which does not; ties count half.
    None where all pictures show it or none does.

    Its interval holds those areas that are not too far from the one found, by the spread that an area of such a
    size has (R. G. Newcombe, Statistics in Medicine 25 (2006), p. 559, method 5): also near 1, and with few
    pictures. The more there are, the more that spread is scaled to the one which these scores show, by the placements
    of E. R. DeLong and others (Biometrics 44 (1988), p. 837), of which the parts are made.
    """
    positive, negative = ranked.shows, ranked.count - ranked.shows
    if not positive or not negative:
        return None
    below = negative - np.cumsum(ranked.negative) + ranked.negative / 2
    above = np.cumsum(ranked.positive) - ranked.positive / 2
    area = float((ranked.positive * below).sum()) / (positive * negative)
    placed = np.where(ranked.shown, (below / negative)[ranked.level], (above / positive)[ranked.level])
    each = np.where(ranked.shown, ranked.count / positive, ranked.count / negative)
    parts = (placed - area) * each
    fewer, usual = min(positive, negative), _spread(area, positive, negative)
    own = float(np.square(parts).mean()) / ranked.count
    scale = (_TRUST + fewer * own / usual) / (_TRUST + fewer) if usual else 1.0
    low, high = (_end(area, end, positive, negative, scale) for end in (0.0, 1.0))
    return Area(Value(area, low, high, ranked.count), parts)


def _spread(area: float, positive: int, negative: int) -> float:
    """The variance of an area of this size, for scores that are spread exponentially."""
    half = (positive + negative) / 2 - 1
    shape = 1 + half * ((1 - area) / (2 - area) + area / (1 + area))
    return area * (1 - area) * shape / (positive * negative)


def _end(area: float, end: float, positive: int, negative: int, scale: float) -> float:
    """Between the area and an end of the scale, what lies just near enough to the area."""
    near, far = area, end
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        is_far = abs(middle - area) > Z95 * math.sqrt(scale * _spread(middle, positive, negative))
        near, far = (near, middle) if is_far else (middle, far)
    return near


def mean_area(areas: Sequence[Area], count: int) -> Value:
    """The mean of the areas of several classes, with the interval that theirs give it (G. Y. Zou and A. Donner,
    Statistics in Medicine 27 (2008), p. 1693): a picture counts for all classes, so they err together, as far as
    their parts do."""
    if not areas:
        return Value(math.nan, None, None, count, "no class that some pictures show and some do not")
    found = sum(one.value.value for one in areas) / len(areas)
    below = _together([one.value.value - (one.value.low or 0.0) for one in areas], areas)
    above = _together([(one.value.high or 1.0) - one.value.value for one in areas], areas)
    return Value(found, max(0.0, found - below), min(1.0, found + above), count)


def _together(halves: Sequence[float], areas: Sequence[Area]) -> float:
    """Of the distances to the ends of intervals, that of their mean. An area that no picture moves stands alone."""
    moved, still = np.zeros(len(areas[0].parts)), 0.0
    for half, area in zip(halves, areas, strict=True):
        spread = float(area.parts.std())
        if spread > 1e-9:
            moved += area.parts * (half / spread)
        else:
            still += half**2
    return math.sqrt(float(np.square(moved).mean()) + still) / len(areas)
