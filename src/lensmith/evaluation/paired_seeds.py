"""Two recipes, each trained by several seeds, on the same pictures: which is better, and is it luck?

Luck has two sources: the pictures that were drawn, and the seeds. A figure that leaves one of them out sells luck as
progress, so both are in the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.evaluation.intervals import FEW, Floats, Value
from lensmith.evaluation.paired import paired_difference
from lensmith.evaluation.precision import average_precision, mean_parts, mean_precision
from lensmith.evaluation.ranking import rank
from lensmith.evaluation.small_samples import student_t
from lensmith.evaluation.spread import apart, shown
from lensmith.types import Task

_LUCK = 0.05
"""A difference that luck alone brings about more often than that is none."""


@dataclass(frozen=True)
class SeedsCompared:
    """The recipe that was tried beside the one that is usual, on pictures that neither was chosen on.

    figure: what is compared; seeds: by which both were trained; tried, usual: the figure by each seed; difference: of
    the means, tried less usual; chance: of one so large, were there none, by the pictures alone.
    """

    figure: str
    seeds: tuple[int, ...]
    tried: tuple[float, ...]
    usual: tuple[float, ...]
    difference: Value
    chance: float

    @property
    def is_better(self) -> bool:
        """Whether the recipe that was tried is better, and not by luck."""
        return self._is_told and self._gain > 0

    @property
    def _is_told(self) -> bool:
        low, high = self.difference.low, self.difference.high
        return self.chance < _LUCK and low is not None and high is not None and not low <= 0 <= high

    @property
    def _gain(self) -> float:
        return -self.difference.value if self.figure == "mae" else self.difference.value

    def verdict(self) -> str:
        """One sentence for a person."""
        means = [shown(self.figure, float(np.mean(values))) for values in (self.tried, self.usual)]
        count = len(self.seeds)
        by = f"by {count} fresh seed{'s' if count > 1 else ''} each" if count else "untrained"
        beside = f"{means[0]} against {means[1]} on {self.difference.count:,} pictures, {by}{self._between()}"
        if self.is_better:
            return f"better than the default by {apart(self.figure, abs(self.difference.value))}: {beside}"
        if self._is_told:
            words = apart(self.figure, abs(self.difference.value))
            return f"worse than the default by {words}: {beside}; the default is kept"
        return f"no better than the default that can be told: {beside}; the default is kept"

    def _between(self) -> str:
        low, high = self.difference.low, self.difference.high
        if low is None or high is None:
            return f" ({self.difference.why})"
        scale, form = (100, "+.1f") if self.figure == "accuracy" else (1, "+.3f")
        return f"; the difference lies between {scale * low:{form}} and {scale * high:{form}}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        named: dict[str, Any] = {
            "verdict": self.verdict(),
            "is_better": self.is_better,
            "figure": self.figure,
        }
        values = {"seeds": list(self.seeds), "tried": list(self.tried), "usual": list(self.usual)}
        return named | values | {"difference": self.difference.as_dict(), "p": self.chance}


def compare_seeds(
    figure: str, seeds: tuple[int, ...], tried: NDArray[np.float64], usual: NDArray[np.float64]
) -> SeedsCompared:
    """tried, usual: [S, N], what each picture adds to the figure by each seed, as `picture_parts` gives it.

    Of right and wrong answers the chance is that of an exact test which turns the sign of each picture's difference
    (of one seed, McNemar's with the mid-p correction). The interval holds the luck of the seeds too. Better is what
    both say is better.
    """
    apart_by = tried - usual
    of_pictures = apart_by.mean(axis=0)
    value = float(of_pictures.mean())
    count = len(of_pictures)
    seeds_differ = len(seeds) > 1 and float(apart_by.mean(axis=1).std()) > 1e-12
    is_share = figure == "accuracy"
    if is_share and not seeds_differ:
        first, second = int((of_pictures > 0).sum()), int((of_pictures < 0).sum())
        difference, chance = paired_difference(first, second, count), 0.0
        difference = replace(difference, value=value)
    else:
        difference, chance = _by_both(apart_by, value)
    if is_share:
        chance = max(chance, _signs(np.rint(apart_by.sum(axis=0)).astype(np.int64)))
    means = [tuple(map(float, side.mean(axis=1))) for side in (tried, usual)]
    return SeedsCompared(figure, seeds, means[0], means[1], difference, chance)


def picture_parts(outputs: Floats, targets: NDArray[Any], task: Task) -> NDArray[np.float64]:
    """What each picture adds to the figure that models of a task are compared by, [N], their mean being the figure.

    outputs: [N, outputs]; targets: [N] indices, [N, L] of 0 and 1, or numbers [N].
    """
    if task == "classification":
        return np.asarray(outputs.argmax(axis=1) == targets, np.float64)
    if task == "regression":
        return np.asarray(np.abs(outputs[:, 0].astype(np.float64) - targets), np.float64)
    ranked = [rank(outputs[:, label], targets[:, label].astype(bool)) for label in range(targets.shape[1])]
    known = [found for found in map(average_precision, ranked) if found is not None]
    if not known:
        return np.zeros(len(outputs))
    return np.asarray(mean_precision(known, len(outputs)).value + mean_parts(known), np.float64)


def _by_both(apart_by: NDArray[np.float64], value: float) -> tuple[Value, float]:
    """The difference with the interval that pictures and seeds give it together, and its chance by the pictures.

    Half its width is the root of the squares of what either would give alone, each by Student's t with its own
    freedoms (F. A. Graybill and C.-M. Wang, 1980): two or three seeds know little of how far seeds lie apart, and a
    variance that is added to that of many pictures would forget that.
    """
    seeds, count = apart_by.shape
    if count < FEW:
        why = f"fewer than {FEW} pictures: too few for an interval of a mean"
        return Value(value, None, None, count, why), 1.0
    of_pictures, of_seeds = apart_by.mean(axis=0), apart_by.mean(axis=1)
    error = float(of_pictures.std(ddof=1)) / math.sqrt(count)
    square = (student_t(count - 1) * error) ** 2
    if seeds > 1:
        square += (student_t(seeds - 1) * float(of_seeds.std(ddof=1))) ** 2 / seeds
    half = math.sqrt(square)
    chance = _tails(value / error, count - 1) if error else float(value == 0)
    return Value(value, value - half, value + half, count), chance


def _tails(t: float, freedom: float) -> float:
    """About the chance that Student's t lies as far out on either side (D. L. Wallace, 1959)."""
    bent = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))
    return math.erfc(bent / math.sqrt(2))


def _signs(sums: NDArray[np.int64]) -> float:
    """The chance that a sum of whole numbers lies as far from 0, were the sign of each a toss: exact, a sum as far as
    the one found counting half (mid-p)."""
    sizes = np.abs(sums[sums != 0])
    total = int(sizes.sum())
    if not total:
        return 1.0
    chances = np.ones(1)  # of the sums from -reach to reach
    for size in sizes.tolist():
        wider = np.zeros(len(chances) + 2 * size)
        wider[: len(chances)] += chances / 2
        wider[2 * size :] += chances / 2
        chances = wider
    found = abs(int(sums.sum()))
    if not found:
        return 1.0
    at = np.abs(np.arange(-total, total + 1))
    return float(min(1.0, chances[at > found].sum() + chances[at == found].sum() / 2))
