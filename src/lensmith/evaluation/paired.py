"""Two models on the same pictures: how far apart they are, and whether that could be luck."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lensmith.evaluation.intervals import Z95, Floats, Value, mean


def mcnemar(first: int, second: int) -> float:
    """The chance of a split at least as uneven among the pictures that only one model gets right, were both
    equally good: McNemar's test by exact counts, with the mid-p correction (Fagerland and others, 2013,
    doi:10.1186/1471-2288-13-91).

    first, second: pictures that the first, or the second, alone gets right.
    """
    count, fewer = first + second, min(first, second)
    if first == second:
        return 1.0

    def chance(number: int) -> float:
        ways = math.lgamma(count + 1) - math.lgamma(number + 1) - math.lgamma(count - number + 1)
        return math.exp(ways - count * math.log(2))

    return min(1.0, 2 * sum(chance(number) for number in range(fewer)) + chance(fewer))


def paired_difference(first: int, second: int, count: int) -> Value:
    """The difference of two shares of the same `count` pictures with its 95 % interval (Bonett and Price, 2012,
    doi:10.1111/j.2044-8317.2011.02033.x). first, second: as in `mcnemar`."""
    p, q = (first + 1) / (count + 2), (second + 1) / (count + 2)
    half = Z95 * math.sqrt((p + q - (p - q) ** 2) / (count + 2))
    low, high = max(-1.0, p - q - half), min(1.0, p - q + half)
    return Value((first - second) / count, low, high, count)


def paired_means(first: Floats, second: Floats) -> tuple[Value, float]:
    """The difference of two figures of the same pictures, the first less the second, with its 95 % interval, and
    about the chance of one so large, were there none.

    first, second: [N], numbers of each picture whose mean is the figure: errors, or what it adds to the figure.
    Under 30 pictures the interval is withheld, and nothing is told from luck.
    """
    apart = first - second
    found = mean(apart)
    if not apart.any():
        return Value(0.0, 0.0, 0.0, len(apart)), 1.0
    if found.low is None:
        return found, 1.0
    error = float(apart.std(ddof=1)) / math.sqrt(len(apart))
    return found, math.erfc(abs(found.value) / error / math.sqrt(2))


def holm(chances: Sequence[float]) -> list[float]:
    """Chances of several comparisons, each raised so that all of them together say "better" in vain once in
    twenty times at most (Holm, 1979)."""
    order = sorted(range(len(chances)), key=lambda index: chances[index])
    raised, highest = [0.0] * len(chances), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[index]))
        raised[index] = highest
    return raised
