"""Keeps a budget by the clock: a few timed steps say how many there should be, and the run itself says better."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from lensmith.planning.changes import Change, usual_work

_WARM_UP = 3
"""Steps that are slower than those to come: memory is taken, kernels are made."""
_LOOKS = 25
"""About how often, in a whole run, the clock is compared with the steps."""
_SHORTEST = 0.2
"""Seconds between two looks."""
_SHARE = 0.25
"""Of the steps that were planned, after which there is a look all the same."""
_REMEMBERED = 8
"""Looks whose steps say how long the next ones will take."""
_STALLED = 3.0
"""Times the usual seconds of a step: a machine that stood still says nothing of the steps to come."""
_WORTH = 0.02
"""Share of the steps that are left, under which the end stays where it is."""
_TAIL = 0.02
"""Share of the steps made that a run still gets when its time is over, for the rate to come down."""


class Deadline:
    """Called after each step; moves the end to where `ends`, a time of `clock`, will be reached.

    epochs: what the run was sized to; length: steps of a pass; work: of the step with an index, as a share of
    that of a usual one; done: steps that were made before.
    """

    def __init__(
        self,
        ends: float,
        epochs: float,
        length: int,
        work: Callable[[int], float] = usual_work,
        clock: Callable[[], float] = time.perf_counter,
        done: int = 0,
    ) -> None:
        self._clock = clock
        self._work = work
        self._warm = done + _WARM_UP
        self._ends = ends
        self._steps = epochs * length
        self._length = length
        self._from = (done, 0.0)
        self._is_over = False
        self._paces: list[float] = []
        self._every = max(_SHORTEST, (ends - clock()) / _LOOKS)

    def step(self, index: int) -> list[Change]:
        """What should change after the step with this index."""
        now = self._clock()
        first, since = self._from
        if self._is_over:
            return []
        if index <= self._warm:
            self._from = (index, now)
            return []
        if now - since < self._every and index - first < _SHARE * (self._steps - first):
            return []
        self._from = (index, now)
        self._paces = [*self._paces[1 - _REMEMBERED :], (now - since) / self._done(first, index)]
        wanted = self._reached(index, (self._ends - now) / self._pace())
        if now >= self._ends:
            self._is_over = True
            wanted = min(self._steps, index + max(1.0, _TAIL * index))
        if abs(wanted - self._steps) <= max(1.0, _WORTH * (self._steps - index)):
            return []
        words = f"step {index}: {wanted:.0f} steps fit into the budget, and {self._steps:.0f} were planned"
        self._steps = wanted
        return [Change(index, "epochs", round(wanted / self._length, 6), words)]

    def _done(self, first: int, index: int) -> float:
        """The work of the steps after `first` up to `index`."""
        return sum(self._work(step) for step in range(first + 1, index + 1))

    def _reached(self, index: int, work: float) -> float:
        """The step, with a fraction, to which so much work takes the run from `index`."""
        while work > (next_one := self._work(index + 1)):
            work -= next_one
            index += 1
        return index + max(0.0, work / next_one)

    def _pace(self) -> float:
        """Seconds of a usual step, with all that goes with it."""
        usual = statistics.median(self._paces)
        return statistics.mean(pace for pace in self._paces if pace <= _STALLED * usual)
