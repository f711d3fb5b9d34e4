"""Normal scores, a distance apart where a picture shows a label, and what they are truly worth."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

Draw = np.random.Generator
Array = np.ndarray[Any, Any]
GRID = np.linspace(-9, 14, 4601)


def tail(cuts: Array) -> Array:
    return np.array([math.erfc(cut / math.sqrt(2)) / 2 for cut in cuts])


def true_ap(distance: float, rare: float, narrow: float) -> float:
    hits, false = tail((GRID - distance) / narrow), tail(GRID)
    precision = rare * hits / (rare * hits + (1 - rare) * false + 1e-300)
    return float((-np.diff(hits) * (precision[1:] + precision[:-1]) / 2).sum())


def solve(figure: Callable[[float], float], true: float, least: float = 0.0) -> float | None:
    """The distance at which a figure that grows with it has this value."""
    low, high = least, 9.0
    if figure(low) > true + 1e-9:
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if figure(middle) < true else (low, middle)
    return low


def labels(
    draw: Draw, count: int, shares: Array, distance: float, narrow: float, alike: float
) -> tuple[Array, Array]:
    """Scores and what is shown, [N, L]; `alike`: the correlation of labels, and of scores, in a picture."""

    def normal() -> Array:
        common = draw.normal(size=(count, 1)) * math.sqrt(alike)
        return common + draw.normal(size=(count, len(shares))) * math.sqrt(1 - alike)

    shown = normal() > [NormalDist().inv_cdf(1 - share) for share in shares]
    noise = normal()
    return np.where(shown, noise * narrow + distance, noise), shown
