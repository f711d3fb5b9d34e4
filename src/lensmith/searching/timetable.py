"""What a sweep takes, and what fits into a budget: trials, what confirms their winner, and the last training."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from lensmith.errors import UsageError

SEEDS = 3
"""Trainings of each recipe in the comparison, where the time is enough."""
_EACH = 0.5
"""Seconds of a trial beside its training."""
_END = 6.0
"""Seconds for saving, the report and the end of the process."""
_CARE = 1.2
"""Times what a training took before, that it may take again: another process may use the cores by then."""
_ENOUGH = 5
"""Trials that are worth more than a third seed in the comparison."""


@dataclass(frozen=True)
class Timetable:
    """Seconds, and shares of those of a trial.

    training: of the default recipe in a trial; looks: of what last layers are fitted to, in all sizes but the usual
    one, or None where each trial is a training. confirming, last: times a trial's, what a training for the comparison
    and the last one take; closing: measuring and the report. over: by when (time.time) all has to be done, None where
    no budget says. seeds: trainings of each recipe in the comparison.
    """

    training: float
    looks: float | None
    confirming: float
    last: float
    closing: float
    over: float | None = None
    seeds: int = SEEDS

    def after(self, best: float | None = None) -> float:
        """Seconds that have to be left when the search ends. best: what the best trial so far would take anew."""
        best = max(self.training, best or 0.0)
        if self.looks is not None:
            looking = best * self.last + (self.training + best) * self.confirming
            return _CARE * looking + self.seeds + self._end
        each = self.seeds * (self.training + best) * self.confirming
        return _CARE * (each + best * self.last) + self._end

    def trials_end(self, best: float | None = None) -> float | None:
        """By when (time.time) the last trial has to be over."""
        return None if self.over is None else self.over - self.after(best)

    def confirming_ends(self, best: float) -> float | None:
        """By when (time.time) the comparison has to be over."""
        return None if self.over is None else self.over - _CARE * best * self.last - self._end

    def whole(self, trials: int, workers: int) -> float:
        """Seconds of this number of trials, after that of the default recipe, and of what follows."""
        rounds = math.ceil(trials / workers)
        if self.looks is not None:
            return self.looks + _EACH * rounds + self.after()
        return (self.training + _EACH) * rounds + self.after()

    def fitting(self, left: float, trials: int, workers: int) -> tuple[Timetable, int]:
        """With as many seeds as the time is enough for, and how many trials will fit into what is left of it."""
        found = (self, 0)
        for seeds in range(self.seeds, 0, -1):
            table = replace(self, seeds=seeds)
            found = table, table._most(left, trials, workers)
            if table.is_enough(found[1], trials):
                break
        return found

    def is_enough(self, count: int, trials: int) -> bool:
        """Whether so many of the trials are worth more than anything that could be left out for others."""
        return count >= min(trials, _ENOUGH)

    def refusal(self, left: float, workers: int) -> UsageError:
        """What to say where not one trial fits."""
        least = replace(self, seeds=1).whole(1, workers)
        return UsageError(
            f"{left:.0f} s are left of the budget, and one trial, the comparison and the last training take about "
            f"{least:.0f} s here",
            hint=f"Give {math.ceil(least - left) + 1} s more at least, or fewer epochs.",
        )

    def _most(self, left: float, trials: int, workers: int) -> int:
        return max((count for count in range(trials + 1) if self.whole(count, workers) <= left), default=0)

    @property
    def _end(self) -> float:
        return self.closing + _END

    def as_dict(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)
