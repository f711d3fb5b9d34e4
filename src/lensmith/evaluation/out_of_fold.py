"""What folds say beside the figure on all pictures: how far apart models lie that learned from other pictures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lensmith.evaluation.intervals import Value
from lensmith.evaluation.report import Report


@dataclass(frozen=True)
class FoldFigures:
    """The main figure out of fold: on all pictures, and of each fold's model on the pictures it did not see.

    left_out: pictures in no fold, the only ones of their class.
    """

    name: str
    all: Value
    folds: tuple[Value, ...]
    left_out: int = 0

    @property
    def spread(self) -> float:
        """The standard deviation of the folds' figures: other pictures to learn from, and others to be asked."""
        return statistics.stdev(one.value for one in self.folds)

    @property
    def by_chance(self) -> float | None:
        """The spread that equally good models would show, since each is asked about few pictures; of a share only."""
        if self.name != "accuracy":
            return None
        share = self.all.value
        return math.sqrt(share * (1 - share) * statistics.mean(1 / one.count for one in self.folds))

    def verdict(self) -> str:
        """One sentence for a person."""
        form = "{:.1%}" if self.name == "accuracy" else "{:.3f}"
        least, most = (form.format(end([one.value for one in self.folds])) for end in (min, max))
        words = (
            f"out of fold: {len(self.folds)} models, each measured on pictures it did not see: {self._on_all(form)}; "
            f"{least} to {most} by fold, standard deviation {_points(self.spread, self.name)}"
        )
        if self.by_chance is not None:
            words += f", where chance alone makes about {_points(self.by_chance, self.name)}"
        if self.left_out:
            words += f"; {self.left_out:,} not measured, the only pictures of their class"
        return words

    def _on_all(self, form: str) -> str:
        name = "right" if self.name == "accuracy" else self.name.replace("_", " ")
        words = f"{form.format(self.all.value)} {name} of {self.all.count:,}"
        if self.all.low is None or self.all.high is None:
            return words
        return f"{words}, between {form.format(self.all.low)} and {form.format(self.all.high)}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "figure": self.name,
            "all": self.all.as_dict(),
            "by_fold": [one.as_dict() for one in self.folds],
            "spread": self.spread,
            "by_chance": self.by_chance,
            "left_out": self.left_out,
            "verdict": self.verdict(),
        }


def _points(size: float, name: str) -> str:
    return f"{100 * size:.1f} points" if name == "accuracy" else f"{size:.3f}"


def fold_figures(pooled: Report, folds: Sequence[Report], left_out: int = 0) -> FoldFigures:
    """From the report on all pictures and one of each fold."""
    name = pooled.main
    return FoldFigures(name, pooled[name], tuple(one[name] for one in folds), left_out)
