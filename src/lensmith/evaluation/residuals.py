"""How a regression errs: by how much, in which direction, and for which numbers. From what it said alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lensmith.errors import DataError
from lensmith.evaluation.intervals import Z95, Floats, Value, mean
from lensmith.runs.predictions import Predictions

_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BINS, _IN_BIN = 5, 20
_WORST, _POINTS = 10, 500
"""Pictures listed, and points drawn."""


@dataclass(frozen=True)
class Bin:
    """Pictures for which about the same was said: from `low` to `high`; the mean of said less true, and the standard
    deviation of it."""

    low: float
    high: float
    bias: Value
    spread: float

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"low": self.low, "high": self.high, "bias": self.bias.as_dict(), "spread": self.spread}


@dataclass(frozen=True)
class Residuals:
    """Said less true, of each picture.

    bias: the mean; quantiles: share of the pictures -> what the error is below for them; bins: by what was said;
    growth: rank correlation of the error's size with what was said; worst: (file, true, said), the largest error
    first; points: (true, said), of at most 500 pictures evenly taken by the true number.
    """

    bias: Value
    quantiles: dict[str, float]
    bins: list[Bin]
    growth: Value
    worst: list[tuple[str, float, float]]
    points: list[tuple[float, float]]

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "verdict": self.verdict(),
            "bias": self.bias.as_dict(),
            "quantiles": self.quantiles,
            "bins": [one.as_dict() for one in self.bins],
            "growth": self.growth.as_dict(),
            "worst": [{"file": file, "true": true, "said": said} for file, true, said in self.worst],
            "points": [list(point) for point in self.points],
        }

    def verdict(self) -> str:
        """One sentence for a person."""
        low, high = self.bias.low, self.bias.high
        side = "high" if self.bias.value > 0 else "low"
        by = f"{abs(self.bias.value):.3g} too {side} on average"
        if low is None or high is None:
            where = f"{by} ({self.bias.why})"
        elif low <= 0 <= high:
            where = f"neither too high nor too low on average ({low:.3g} to {high:.3g})"
        else:
            where = f"{by} ({low:.3g} to {high:.3g})"
        middle = (
            f"half of the answers err between {self.quantiles['25%']:.3g} and {self.quantiles['75%']:.3g}"
        )
        return f"{where}; {middle}{self._growing()}"

    def _growing(self) -> str:
        low, high = self.growth.low, self.growth.high
        if low is None or high is None or low <= 0 <= high:
            return ""
        way = "grow" if low > 0 else "shrink"
        how = f"rank correlation {self.growth.value:.2f}, {low:.2f} to {high:.2f}"
        return f"; errors {way} with the number said ({how})"


def study_residuals(predictions: Predictions) -> Residuals:
    """From the predictions of a regression. Raises `DataError` for those of another task or of no picture."""
    true = predictions.targets
    if true.ndim != 1 or predictions.logits.ndim != 2 or predictions.logits.shape[1] != 1 or not len(true):
        shapes = f"{list(true.shape)} targets, {list(predictions.logits.shape)} outputs"
        raise DataError(f"these are no predictions of a regression: {shapes}")
    told, said = true.astype(np.float64), predictions.logits[:, 0].astype(np.float64)
    error = said - told
    largest = np.argsort(-np.abs(error), kind="stable")[:_WORST]
    order = np.argsort(told, kind="stable")
    taken = order[np.linspace(0, len(order) - 1, min(_POINTS, len(order))).astype(int)]
    return Residuals(
        mean(error),
        {f"{share:.0%}": float(np.quantile(error, share)) for share in _SHARES},
        _bins(said, error),
        rank_correlation(said, np.abs(error)),
        [(str(predictions.files[i]), float(told[i]), float(said[i])) for i in largest.tolist()],
        [(float(told[i]), float(said[i])) for i in taken.tolist()],
    )


def _bins(said: Floats, error: Floats) -> list[Bin]:
    """As many pictures in each, 20 at least; none where there are too few."""
    count = min(_BINS, len(said) // _IN_BIN)
    if count < 2:
        return []
    parts = np.array_split(np.argsort(said, kind="stable"), count)
    return [
        Bin(float(said[rows[0]]), float(said[rows[-1]]), mean(error[rows]), float(error[rows].std(ddof=1)))
        for rows in parts
    ]


def rank_correlation(first: Floats, second: Floats) -> Value:
    """Spearman's, with its interval by Fisher's z (variance of D. G. Bonett and T. A. Wright, Psychometrika 65
    (2000), p. 23). Withheld under 30 pictures. first, second: [N]."""
    count = len(first)
    ranks = [_ranks(numbers) for numbers in (first, second)]
    if count < 2 or not all(part.std() > 0 for part in ranks):
        return Value(math.nan, None, None, count, "all pictures have the same number")
    found = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    if count < 30 or abs(found) > 1 - 1e-9:
        return Value(found, None, None, count, "too few pictures, or all in one order")
    half = Z95 * math.sqrt((1 + found**2 / 2) / (count - 3))
    return Value(found, math.tanh(math.atanh(found) - half), math.tanh(math.atanh(found) + half), count)


def _ranks(numbers: Floats) -> Floats:
    """From 1 on; equal numbers have the middle of theirs."""
    _, level, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[level]
    return ranks
