"""Quantiles for a handful of values, by the distributions themselves: Student's t and chi-square."""

from __future__ import annotations

import math
from collections.abc import Callable

_INTERVALS, _HALVINGS = 400, 60


def student_t(freedom: float) -> float:
    """The t within which, on either side of 0, 95 % of Student's distribution lie. freedom: at least 1."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)

    def density(x: float) -> float:
        return scale * math.pow(1 + x * x / freedom, -(freedom + 1) / 2)

    def within(t: float) -> float:  # by Simpson's rule
        step = t / _INTERVALS
        inner = sum((4 if i % 2 else 2) * density(i * step) for i in range(1, _INTERVALS))
        return 2 * step / 3 * (density(0) + inner + density(t))

    return _where(within, 0.95, 13.0)


def chi_square(share: float, freedom: float) -> float:
    """The value under which this share of the chi-square distribution lies."""
    a = freedom / 2

    def under(value: float) -> float:  # the incomplete gamma function, by its series
        x, term, total, n = value / 2, 1 / a, 1 / a, 0
        if x <= 0:
            return 0.0
        while term > 1e-15 * total:
            n += 1
            term *= x / (a + n)
            total += term
        return total * math.exp(a * math.log(x) - x - math.lgamma(a))

    return _where(under, share, 10 * freedom + 40)


def _where(rising: Callable[[float], float], wanted: float, highest: float) -> float:
    """Where a rising function has a value, between 0 and `highest`."""
    low, high = 0.0, highest
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return (low + high) / 2
