"""Intervals: how far a measured figure may lie from the true one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054
"""Standard deviations on either side that hold 95 % of a normal distribution."""
FEW = 20
"""Pictures under which nothing is resampled."""


@dataclass(frozen=True)
class Value:
    """A figure from `count` pictures, with its 95 % interval (None where there is none, and `why`)."""

    value: float
    low: float | None
    high: float | None
    count: int
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        value = None if math.isnan(self.value) else self.value  # JSON has no NaN
        facts: dict[str, Any] = {"value": value, "low": self.low, "high": self.high, "count": self.count}
        return facts | ({"why": self.why} if self.why else {})

    def __str__(self) -> str:
        if math.isnan(self.value):
            return f"none ({self.why})"
        between = "" if self.low is None or self.high is None else f" ({self.low:.3f} to {self.high:.3f})"
        return f"{self.value:.3f}{between}"


def proportion(successes: int, count: int) -> Value:
    """A share with its Wilson score interval (E. B. Wilson, JASA 1927), which also holds near 0 and 1."""
    if count == 0:
        return Value(math.nan, None, None, 0, "no pictures")
    share, z2 = successes / count, Z95**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == count else min(1.0, centre + half)
    return Value(share, low, high, count)


def f1(right: int, shown: int, said: int) -> Value:
    """F1 of a class with its interval. It is 2 J / (1 + J), and J, the share of right ones among all pictures that
    show the class or were said to, is a proportion. right: of both; shown, said: pictures of each."""
    share = proportion(right, shown + said - right)
    if math.isnan(share.value):
        return Value(math.nan, None, None, 0, "neither shown nor said")
    value, low, high = (2 * j / (1 + j) for j in (share.value, share.low or 0.0, share.high or 0.0))
    return Value(value, low, high, share.count)


def bootstrap(
    figure: Callable[[NDArray[np.intp]], float], count: int, value: float | None = None, draws: int = 1000
) -> Value:
    """A figure of any kind with the 95 % percentile interval over resampled pictures (Efron, 1979).

    `figure` takes the rows that were drawn. Under 20 pictures the interval is withheld.
    """
    value = figure(np.arange(count)) if value is None else value
    if math.isnan(value):
        return Value(value, None, None, count, "these pictures do not show what it is made of")
    if count < FEW:
        return Value(value, None, None, count, f"fewer than {FEW} pictures: too few to resample")
    draw = np.random.default_rng(0)
    found = [figure(draw.integers(0, count, count)) for _ in range(draws)]
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return Value(value, float(low), float(high), count)
