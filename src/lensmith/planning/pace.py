"""Watches how long steps take. Threads that wait for each other stand still when another process takes a core."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from lensmith.planning.changes import Change, usual_work

_WINDOW = 5
_COLLAPSED = 4.0
"""Times the usual seconds of a step: a neighbour that merely shares the cores makes it two."""
_SHORT = 0.02
"""Seconds of a step under which a stall says nothing."""
_PATIENCE = 15.0
"""Seconds with fewer threads, after which more are tried again; twice as many after each time in vain."""


class Pace:
    """Called after each step; asks for half of the threads where steps have become many times slower, and later
    for all of them again, by a step that shows whether the other process has gone.

    work: of the step with an index, as a share of that of a usual one. unit: what a step is called.
    """

    def __init__(
        self,
        work: Callable[[int], float] = usual_work,
        unit: str = "step",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._work = work
        self._unit = unit
        self._clock = clock
        self._before = clock()
        self._threads = torch.get_num_threads()
        self._patience = _PATIENCE
        self._tries_at = (
            self._before + _PATIENCE
        )  # a training that goes on may have fewer than this from the start
        self._with_fewer = 0.0
        self._last: list[float] = []
        self._usual = float("inf")

    def step(self, index: int) -> list[Change]:
        """What should change after the step with this index."""
        now = self._clock()
        seconds = (now - self._before) / self._work(index)
        self._before = now
        if self._with_fewer:
            return self._judged(index, seconds, now)
        self._last = [*self._last[1 - _WINDOW :], seconds]
        if len(self._last) < _WINDOW:
            return []
        median = statistics.median(self._last)
        self._usual = min(self._usual, median)
        threads = torch.get_num_threads()
        if threads > 1 and median >= max(_SHORT, _COLLAPSED * self._usual):
            words = f"{1000 * median:.0f} ms, {1000 * self._usual:.0f} before: another process uses the cores"
            return [self._fewer(index, now, words)]
        if threads < self._threads and now >= self._tries_at:
            self._with_fewer = median
            return [self._change(index, self._threads, f"trying {self._threads} threads again")]
        return []

    def _judged(self, index: int, seconds: float, now: float) -> list[Change]:
        """The step that was tried with all threads: it has to be faster than those with fewer."""
        before, self._with_fewer = self._with_fewer, 0.0
        if seconds < before:
            self._begin_anew()
            return []
        self._patience *= 2
        words = f"{1000 * seconds:.0f} ms, {1000 * before:.0f} with fewer threads"
        return [self._fewer(index, now, words)]

    def _fewer(self, index: int, now: float, why: str) -> Change:
        threads = torch.get_num_threads()
        self._begin_anew()
        self._tries_at = now + self._patience
        return self._change(index, threads // 2, f"{why}; going on with {threads // 2} of {threads} threads")

    def _change(self, index: int, threads: int, words: str) -> Change:
        return Change(index, "threads", threads, f"{self._unit} {index}: {words}")

    def _begin_anew(self) -> None:
        """Other threads, another usual step."""
        self._last, self._usual = [], float("inf")
