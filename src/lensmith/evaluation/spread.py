"""The same training by several seeds: how far the draw of a training moves a figure, on the same pictures.

This is not what the interval of a figure tells, which is how far other pictures would move it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.evaluation.intervals import Value
from lensmith.evaluation.small_samples import chi_square, student_t
from lensmith.types import Task

_WHY = (
    "the interval is of the seeds, were their figures normally distributed; that of the pictures is another"
)


@dataclass(frozen=True)
class Spread:
    """Trainings that differ by their seed alone, measured on the same held-out pictures.

    figure: what `values` are, one for each of `seeds`; count: pictures; disagree: pictures on which not all of them
    give the same answer (None for numbers); apart: of numbers, the mean standard deviation of what they say of a
    picture; note: what else has to be known to read this.
    """

    figure: str
    seeds: Sequence[int]
    values: Sequence[float]
    count: int
    disagree: int | None = None
    apart: float | None = None
    note: str = ""

    @property
    def mean(self) -> float:
        """Of the figures."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> Value:
        """Their standard deviation, with its 95 % interval by the chi-square distribution; count: seeds."""
        n = len(self.values)
        if n < 2:
            return Value(math.nan, None, None, n, "one training shows no spread")
        found = statistics.stdev(self.values)
        if not found:
            return Value(0.0, None, None, n, "all of them are equal")
        low, high = (found * math.sqrt((n - 1) / chi_square(share, n - 1)) for share in (0.975, 0.025))
        return Value(found, low, high, n)

    def another(self) -> tuple[float, float] | None:
        """Where the figure of one more seed would lie, 95 times in 100; None where nothing spreads."""
        n, deviation = len(self.values), self.deviation
        if deviation.low is None:
            return None
        half = student_t(n - 1) * deviation.value * math.sqrt(1 + 1 / n)
        return self.mean - half, self.mean + half

    def verdict(self) -> str:
        """One sentence for a person."""
        figure, n, deviation = self.figure.replace("_", " "), len(self.values), self.deviation
        least, most = (shown(self.figure, value) for value in (min(self.values), max(self.values)))
        words = f"{n} trainings, by seeds {', '.join(map(str, self.seeds))}: {figure} "
        words += (
            f"{shown(self.figure, self.mean)} on average on the same {self.count:,} pictures, {least} to "
        )
        words += f"{most}; standard deviation {apart(self.figure, deviation.value)}"
        if deviation.low is not None and deviation.high is not None:
            ends = f"{apart(self.figure, deviation.low)} and {apart(self.figure, deviation.high)}"
            words += f", between {ends} ({_WHY})"
        elif deviation.why:
            words += f" ({deviation.why})"
        if self.disagree is not None:
            words += f"; on {self.disagree:,} of {self.count:,} pictures the seeds disagree"
        if self.apart is not None:
            words += f"; what they say of a picture differs by {self.apart:.3g} (standard deviation)"
        return f"{words}; {self.note}" if self.note else words

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "verdict": self.verdict(),
            "figure": self.figure,
            "seeds": list(self.seeds),
            "values": list(self.values),
            "mean": self.mean,
            "deviation": self.deviation.as_dict(),
            "smallest": min(self.values),
            "largest": max(self.values),
            "count": self.count,
            "disagree": self.disagree,
            "apart": self.apart,
            "note": self.note,
        }


def spread_from(facts: dict[str, Any]) -> Spread | None:
    """A `Spread` from its JSON form; None where there is none, or of another form."""
    try:
        names = ("figure", "seeds", "values", "count", "disagree", "apart", "note")
        found = Spread(**{name: facts[name] for name in names})
        return found if found.seeds and all(map(math.isfinite, found.values)) else None
    except (KeyError, TypeError):
        return None


@dataclass
class Answers:
    """What trainings said of the same pictures: outputs [n, outputs] of each seed, added one by one."""

    task: Task
    outputs: list[NDArray[np.float32]] = field(default_factory=list)

    def disagreement(self) -> tuple[int | None, float | None]:
        """Pictures on which not all give the same answer; or, of numbers, the mean deviation of their answers."""
        said = np.stack(self.outputs)
        if self.task == "regression":
            return None, float(said[:, :, 0].astype(np.float64).std(axis=0, ddof=1).mean())
        answers = said.argmax(axis=2)[..., None] if self.task == "classification" else said >= 0
        return int((answers != answers[0]).any(axis=(0, 2)).sum()), None


def beside_spread(
    names: tuple[str, str], spreads: tuple[Spread | None, Spread | None], values: tuple[float, float]
) -> str:
    """What the seeds of one model or of both say of a difference between them; "" where no seeds were tried.

    values: the figures of the two models. Of two, the means are compared (Welch, 1947).
    """
    first, second = spreads
    if first is not None and second is not None:
        return _means_apart(names, first, second)
    for spread, name, other, value in ((first, *names, values[1]), (second, *names[::-1], values[0])):
        ends = spread.another() if spread is not None else None
        if spread is None or ends is None:
            continue
        low, high = (shown(spread.figure, end) for end in ends)
        is_within = ends[0] <= value <= ends[1]
        where = "within" if is_within else "beyond"
        words = f"the difference is {where} the spread of seeds: {len(spread.values)} seeds of {name} let "
        words += f"another one expect {low} to {high} (95 %), and {other} has {shown(spread.figure, value)}"
        return words
    return ""


def _means_apart(names: tuple[str, str], first: Spread, second: Spread) -> str:
    parts = [
        statistics.variance(one.values) / len(one.values) for one in (first, second) if len(one.values) > 1
    ]
    if len(parts) < 2 or not sum(parts):
        return ""
    freedoms = (len(first.values) - 1, len(second.values) - 1)
    freedom = sum(parts) ** 2 / sum(part**2 / n for part, n in zip(parts, freedoms, strict=True))
    half = student_t(max(1.0, freedom)) * math.sqrt(sum(parts))
    difference = first.mean - second.mean
    is_within = abs(difference) <= half
    means = (
        f"{name} {shown(one.figure, one.mean)} over {len(one.values)}"
        for name, one in zip(names, (first, second), strict=True)
    )
    ends = f"{_signed(first.figure, difference - half)} and {_signed(first.figure, difference + half)}"
    where = "within" if is_within else "beyond"
    return (
        f"the difference of their seeds is {where} their spread: {', '.join(means)} seeds on average, apart by "
        f"between {ends} (95 %, of the seeds, on these pictures)"
    )


def shown(figure: str, value: float) -> str:
    """A figure as people read it."""
    return f"{value:.1%}" if figure == "accuracy" else f"{value:.3f}"


def apart(figure: str, value: float) -> str:
    """A distance between two figures."""
    return f"{100 * value:.1f} points" if figure == "accuracy" else f"{value:.3f}"


def _signed(figure: str, value: float) -> str:
    return f"{100 * value:+.1f} points" if figure == "accuracy" else f"{value:+.3f}"
