"""Intervals: how far a measured figure may lie from the true one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

_Z95 = 1.959963984540054


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
        facts: dict[str, Any] = {"value": self.value, "low": self.low, "high": self.high, "count": self.count}
        return facts | ({"why": self.why} if self.why else {})

    def __str__(self) -> str:
        between = "" if self.low is None or self.high is None else f" ({self.low:.3f} to {self.high:.3f})"
        return f"{self.value:.3f}{between}"


def proportion(successes: int, count: int) -> Value:
    """A share with its Wilson score interval (E. B. Wilson, JASA 1927), which also holds near 0 and 1."""
    if count == 0:
        return Value(math.nan, None, None, 0, "no pictures")
    share, z2 = successes / count, _Z95**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == count else min(1.0, centre + half)
    return Value(share, low, high, count)
