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


class Pace:
    """Called after each step; asks for half of the threads where steps have become many times slower.

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
        self._last: list[float] = []
        self._usual = float("inf")

    def step(self, index: int) -> list[Change]:
        """What should change after the step with this index."""
        now = self._clock()
        self._last = [*self._last[1 - _WINDOW :], (now - self._before) / self._work(index)]
        self._before = now
        if len(self._last) < _WINDOW:
            return []
        seconds = statistics.median(self._last)
        self._usual = min(self._usual, seconds)
        threads = torch.get_num_threads()
        if threads == 1 or seconds < max(_SHORT, _COLLAPSED * self._usual):
            return []
        words = (
            f"{self._unit} {index}: {1000 * seconds:.0f} ms, {1000 * self._usual:.0f} before: another process "
            f"uses the cores; going on with {threads // 2} of {threads} threads"
        )
        self._last, self._usual = [], float("inf")
        return [Change(index, "threads", threads // 2, words)]
