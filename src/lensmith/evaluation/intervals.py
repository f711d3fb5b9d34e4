"""Intervals: how far a measured figure may lie from the true one. How often each holds it is in docs/figures.md."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

Z95 = 1.959963984540054
"""Standard deviations on either side that hold 95 % of a normal distribution."""
FEW = 30
"""Pictures under which a mean of numbers has no interval."""
_WORTH = 20
"""Pictures of one share, under which a mean of shares has no interval."""


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


def value_from(facts: dict[str, Any]) -> Value:
    """A `Value` from its JSON form."""
    value = math.nan if facts["value"] is None else facts["value"]
    return Value(value, facts["low"], facts["high"], facts["count"], facts.get("why", ""))


def proportion(successes: int, count: int) -> Value:
    """A share with its Wilson score interval (E. B. Wilson, JASA 1927), which also holds near 0 and 1."""
    if count == 0:
        return Value(math.nan, None, None, 0, "no pictures")
    share = successes / count
    low, high = _wilson(share, count)
    return Value(share, 0.0 if successes == 0 else low, 1.0 if successes == count else high, count)


def mean_of_shares(value: float, variance: float, smoothed: float, counts: NDArray[np.integer[Any]]) -> Value:
    """A mean of shares of several classes, whose variance is known: the Wilson interval of as many pictures as would
    give a plain share that variance (after E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998), p. 193).

    smoothed: the mean pulled towards one half, which never is 0 or 1; counts: pictures of each share. Withheld where
    the mean of equal shares would vary as one of fewer than 20 pictures: then the variance is too much of a guess.
    (By the counts alone: what is withheld by what was found would leave what is shown too narrow.)
    """
    worth = len(counts) ** 2 / float((1 / counts).sum())
    if worth < _WORTH:
        why = f"it tells no more than a share of {worth:.0f} pictures would: some class has too few"
        return Value(value, None, None, int(counts.sum()), why)
    low, high = _wilson(value, smoothed * (1 - smoothed) / variance)
    return Value(value, min(low, value), max(high, value), int(counts.sum()))


def _wilson(share: float, count: float) -> tuple[float, float]:
    z2 = Z95**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def f1(right: int, shown: int, said: int) -> Value:
    """F1 of a class with its interval. It is 2 J / (1 + J), and J, the share of right ones among all pictures that
    show the class or were said to, is a proportion. right: of both; shown, said: pictures of each."""
    share = proportion(right, shown + said - right)
    if math.isnan(share.value):
        return Value(math.nan, None, None, 0, "neither shown nor said")
    value, low, high = (2 * j / (1 + j) for j in (share.value, share.low or 0.0, share.high or 0.0))
    return Value(value, low, high, share.count)


def mean(numbers: Floats, *, least: float = -math.inf) -> Value:
    """A mean of numbers that may be skewed, as losses and errors are: Student's interval, bent by the skewness found
    (P. Hall, Journal of the Royal Statistical Society B 54 (1992), p. 221). Withheld under 30 numbers.

    numbers: [N]; least: what no mean can be below.
    """
    count, found = len(numbers), float(numbers.mean())
    if count < FEW:
        return Value(
            found, None, None, count, f"fewer than {FEW} pictures: too few for an interval of a mean"
        )
    apart = numbers - found
    spread = math.sqrt(float(np.square(apart).mean()))
    if spread <= 1e-12 * abs(found):
        return Value(found, None, None, count, "all pictures give the same number")
    skewness = float((apart**3).mean()) / spread**3
    error = spread / math.sqrt(count - 1)
    ends = [found - error * _bent(side * student(count - 1), skewness, count) for side in (1, -1)]
    return Value(found, max(least, min(ends[0], found)), max(ends[1], found), count)


def _bent(quantile: float, skewness: float, count: int) -> float:
    """Where a Student statistic of skewed numbers has the quantile that one of even numbers has at `quantile`: the
    inverse of Hall's T + aT²/3 + a²T³/27 + a/6n, a being the skewness by the root of n."""
    bend = skewness / math.sqrt(count)
    if abs(bend) < 1e-6:
        return quantile
    return 3 / bend * (float(np.cbrt(1 + bend * (quantile - bend / 6))) - 1)


def student(freedom: float) -> float:
    """The 97.5 % point of Student's distribution, to three digits from 5 degrees of freedom on (Abramowitz and
    Stegun, 26.7.5)."""
    z = Z95
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
