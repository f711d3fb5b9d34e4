"""Watches how long steps take. Threads that wait for each other stand still when another process takes a core."""

from __future__ import annotations

import statistics
import time

import torch

_WINDOW = 5
_COLLAPSED = 4.0
"""Times the usual seconds of a step: a neighbour that merely shares the cores makes it two."""
_SHORT = 0.02
"""Seconds of a step under which a stall says nothing."""


class Pace:
    """Called after each step; goes on with half of the threads where steps have become many times slower."""

    def __init__(self) -> None:
        self._before = time.perf_counter()
        self._last: list[float] = []
        self._usual = float("inf")
        self._threads = torch.get_num_threads()

    def step(self, index: int) -> str:
        """What was changed after the step with this index, in words; "" for nothing."""
        now = time.perf_counter()
        self._last = [*self._last[1 - _WINDOW :], now - self._before]
        self._before = now
        if len(self._last) < _WINDOW:
            return ""
        seconds = statistics.median(self._last)
        self._usual = min(self._usual, seconds)
        threads = torch.get_num_threads()
        if threads == 1 or seconds < max(_SHORT, _COLLAPSED * self._usual):
            return ""
        torch.set_num_threads(threads // 2)
        words = (
            f"step {index}: {1000 * seconds:.0f} ms a step, {1000 * self._usual:.0f} before: another process "
            f"uses the cores; going on with {threads // 2} of {threads} threads"
        )
        self._last, self._usual = [], float("inf")
        return words

    def end(self) -> None:
        """Give back the threads that were there."""
        torch.set_num_threads(self._threads)
