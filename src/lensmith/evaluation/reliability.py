"""Whether stated probabilities turn out: a reliability diagram, its error, and what "not sure" leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.evaluation.calibration import certainties, log_loss, stated
from lensmith.evaluation.intervals import Floats, Value, proportion
from lensmith.types import Task

_BINS = 15
_FEWEST_IN_BIN = 5
_DRAWS = 200
_ERRORS = (0.1, 0.05, 0.02, 0.01)
"""Of the answers given: for each, how many pictures could get one."""


@dataclass(frozen=True)
class Bin:
    """Pictures of about the same stated probability: its mean, and the share of them for which it came true."""

    stated: float
    true: Value


@dataclass(frozen=True)
class Reliability:
    """How stated probabilities turned out on measured pictures.

    error: mean gap between stated and true, over bins of equally many (adaptive ECE, Nixon and others, arXiv
    1904.01685); before: without the temperature. by_chance: between what, in 95 of 100 cases, it would lie for
    probabilities that are exactly right. loss, loss_before: log loss. answered: the share of pictures over
    the threshold; wrong: the share of them that are answered wrongly. possible: for an error among answers, the
    share of these pictures that could get one, in hindsight.
    """

    bins: list[Bin]
    error: float
    before: float
    by_chance: tuple[float, float]
    loss: float
    loss_before: float
    threshold: float
    answered: Value
    wrong: Value
    possible: dict[str, float]
    count: int

    def verdict(self) -> str:
        """One sentence for a person."""
        low, high = self.by_chance
        is_right = self.error <= high
        means = "as right probabilities would be" if is_right else "more than chance alone would bring"
        words = (
            f"stated probabilities are off by {100 * self.error:.1f} points on average, {means} "
            f"({100 * low:.1f} to {100 * high:.1f})"
        )
        if self.answered.value < 1:
            words += (
                f"; at a threshold of {self.threshold:.1%}, {self.answered.value:.1%} of the pictures get a sure "
                f"answer, and {_between(self.wrong)} of those are wrong"
            )
        return words

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "verdict": self.verdict(),
            "count": self.count,
            "ece": self.error,
            "ece_before": self.before,
            "ece_by_chance": list(self.by_chance),
            "log_loss": self.loss,
            "log_loss_before": self.loss_before,
            "bins": [{"stated": one.stated, "true": one.true.as_dict()} for one in self.bins],
            "threshold": self.threshold,
            "answered": self.answered.as_dict(),
            "wrong": self.wrong.as_dict(),
            "possible": self.possible,
        }


def measure_reliability(
    logits: Floats,
    targets: NDArray[Any],
    task: Task,
    temperature: float,
    threshold: float,
    label_thresholds: Floats | None = None,
) -> Reliability | None:
    """logits: [N, outputs], as the network gives them; targets: [N] indices or [N, L]; label_thresholds: [L], from
    which probability on each label is said; None for a regression."""
    if task == "regression" or not len(targets):
        return None
    chances, true = stated(logits, targets, task, temperature)
    certain, right = certainties(logits, targets, task, temperature, label_thresholds)
    given = certain >= threshold
    order = np.argsort(chances, kind="stable")
    chances, true = chances[order], true[order]
    starts = _starts(len(order))
    possible = {f"{error:g}": _possible(certain, right, error) for error in _ERRORS}
    return Reliability(
        bins=_bins(chances, true, starts),
        error=_gap(chances, true, starts),
        before=adaptive_ece(*stated(logits, targets, task, 1.0)),
        by_chance=_by_chance(chances, starts),
        loss=log_loss(logits, targets, task, temperature),
        loss_before=log_loss(logits, targets, task),
        threshold=threshold,
        answered=proportion(int(given.sum()), len(given)),
        wrong=proportion(int((~right[given]).sum()), int(given.sum())),
        possible=possible,
        count=len(targets),
    )


def adaptive_ece(chances: Floats, true: NDArray[np.bool_]) -> float:
    """Mean gap between stated and true over 15 bins of equally many; fewer where bins would hold under five."""
    order = np.argsort(chances, kind="stable")
    return _gap(chances[order], true[order], _starts(len(order)))


def _bins(chances: Floats, true: NDArray[np.bool_], starts: NDArray[np.intp]) -> list[Bin]:
    parts = zip(np.split(chances, starts[1:]), np.split(true, starts[1:]), strict=True)
    return [Bin(float(said.mean()), proportion(int(came.sum()), len(came))) for said, came in parts]


def _starts(count: int) -> NDArray[np.intp]:
    """Where each of the bins begins."""
    bins = max(1, min(_BINS, count // _FEWEST_IN_BIN))
    return np.arange(bins) * count // bins


def _gap(chances: Floats, true: NDArray[np.bool_], starts: NDArray[np.intp]) -> float:
    """Of rows in the order of their chances."""
    return float(np.abs(np.add.reduceat(chances - true, starts)).sum() / len(chances))


def _by_chance(chances: Floats, starts: NDArray[np.intp]) -> tuple[float, float]:
    """The gap where each came true as often as was stated."""
    draw = np.random.default_rng(0)
    found = [_gap(chances, draw.random(len(chances)) < chances, starts) for _ in range(_DRAWS)]
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def _possible(certain: Floats, right: NDArray[np.bool_], error: float) -> float:
    """The largest share of pictures, the surest first, of which at most that part is wrong."""
    wrong = np.cumsum(~right[np.argsort(-certain, kind="stable")])
    kept = np.flatnonzero(wrong <= error * np.arange(1, len(wrong) + 1))
    return float((kept[-1] + 1) / len(wrong)) if len(kept) else 0.0


def _between(value: Value) -> str:
    if value.low is None or value.high is None:
        return "none"
    return f"{value.value:.1%} ({value.low:.1%} to {value.high:.1%})"
