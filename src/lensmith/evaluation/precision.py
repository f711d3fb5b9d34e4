"""Average precision: of one label, and the mean over labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lensmith.evaluation.intervals import Z95, Floats, Value
from lensmith.evaluation.ranking import Ranked

_FEW = 10
"""Pictures that show a label, under which neither its average precision has an interval nor the mean over labels:
among fewer it is too often perfect by luck."""


@dataclass(frozen=True)
class Precision:
    """The average precision of a label, and what each picture adds to it.

    shows: pictures that show the label; parts: float64 [N], with the mean 0, the figure varies as their mean does;
    centre: the figure less its bias; excess: what its variance is more than that of the parts.
    """

    value: Value
    shows: int
    parts: Floats
    centre: float
    excess: float


def average_precision(ranked: Ranked) -> Precision | None:
    """The mean of the precisions at the scores of all pictures that show the label; None where none does. Pictures of
    one score count together, whatever their order.

    The interval is that of the jackknife on the logit scale, around the figure less its bias (M. H. Quenouille,
    Biometrika 43 (1956), p. 353); its variance never below that of a share of twice as many pictures as show the
    label, since few that are all in front would show none (the scale, and the share, from K. Boyd and others, ECML
    PKDD 2013, p. 451). Withheld where under 10 pictures show it.
    """
    shows, count = ranked.shows, ranked.count
    if not shows:
        return None
    right = np.cumsum(ranked.positive)
    until = np.cumsum(ranked.positive + ranked.negative)
    precision = right / until
    found = float((ranked.positive * precision).sum()) / shows
    if shows in (1, count):
        why = "one picture shows it" if shows == 1 else "all pictures show it"
        return Precision(Value(found, None, None, count, why), shows, np.zeros(count), found, 0.0)
    without = _without_each(ranked, right, until)
    mean = float(without.mean())
    parts = (count - 1) * (mean - without)
    smoothed = (min(1.0, max(0.0, found - (count - 1) * (mean - found))) * shows + 0.5) / (shows + 1)
    own = float(np.square(parts).mean()) / (count - 1)
    variance = max(own, smoothed * (1 - smoothed) / (2 * shows))
    low, high = _on_logits(smoothed, variance)
    value = Value(found, min(low, found), 1.0 if found == 1 else max(high, found), count)
    if shows < _FEW:
        value = Value(found, None, None, count, f"fewer than {_FEW} pictures show it")
    centre = min(high, max(low, found - (count - 1) * (mean - found)))
    return Precision(value, shows, parts, centre, variance - own)


def _without_each(ranked: Ranked, right: Floats, until: Floats) -> Floats:
    """The average precision without each picture, [N]. right, until: pictures that show the label, and all, down to
    each level."""
    shows = ranked.shows
    sums = np.cumsum(ranked.positive * right / until)
    above = sums - ranked.positive * right / until
    fewer = np.maximum(until - 1, 1)
    less_right, as_right = (ranked.positive * right_ / fewer for right_ in (right - 1, right))
    own = (right - 1) / fewer
    below = np.cumsum(less_right[::-1])[::-1]
    without_positive = (above + below - own) / (shows - 1)
    without_negative = (above + np.cumsum(as_right[::-1])[::-1]) / shows
    return np.where(ranked.shown, without_positive[ranked.level], without_negative[ranked.level])


def mean_precision(precisions: Sequence[Precision], count: int) -> Value:
    """The mean over labels, with the interval that its jackknife gives it on the logit scale. Withheld where under 10
    pictures show one of the labels; those that none shows are left out."""
    if not precisions:
        return Value(math.nan, None, None, count, "no picture shows a label")
    found = sum(one.value.value for one in precisions) / len(precisions)
    if len(precisions) == 1:
        return precisions[0].value
    if any(one.shows < _FEW for one in precisions):
        return Value(found, None, None, count, f"a label is shown by fewer than {_FEW} pictures")
    variance = float(np.square(mean_parts(precisions)).mean()) / (count - 1)
    variance += sum(one.excess for one in precisions) / len(precisions) ** 2
    low, high = _on_logits(sum(one.centre for one in precisions) / len(precisions), variance)
    return Value(found, min(low, found), 1.0 if found == 1 else max(high, found), count)


def mean_parts(precisions: Sequence[Precision]) -> Floats:
    """What each picture adds to the mean over labels, float64 [N]."""
    parts: Floats = np.sum([one.parts for one in precisions], axis=0) / len(precisions)
    return parts


def _on_logits(centre: float, variance: float) -> tuple[float, float]:
    """The ends of a normal interval of log(centre / (1 - centre)), on the scale of the centre."""
    half = Z95 * math.sqrt(variance) / (centre * (1 - centre))
    odds = centre / (1 - centre)
    return 1 / (1 + math.exp(min(half, 700.0)) / odds), 1 / (1 + math.exp(-min(half, 700.0)) / odds)
