"""Choose the fastest of several ways to do the same thing, by doing it. Knows no model and no torch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """The name chosen, each candidate's median seconds (empty where nothing was timed), and why."""

    name: str
    timings: Mapping[str, float]
    reason: str


def choose(candidates: Mapping[str, Callable[[], object]], seconds: float) -> Choice:
    """Time the candidates in turn for about `seconds` and name the one with the smallest median.

    Each is called once to warm up, then all are called round by round, so that a slow moment of the
    machine falls on all of them; every candidate is timed at least once, however short the time. A
    candidate returns when its work is done (on a GPU it synchronises itself); what it raises goes up.
    """
    if not candidates:
        raise ValueError("choose() was given no candidates")
    if len(candidates) == 1:
        (name,) = candidates
        return Choice(name, {}, "the only one")
    start = time.perf_counter()
    for work in candidates.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    order = list(candidates)
    while True:
        round_start = time.perf_counter()
        for name in order:
            before = time.perf_counter()
            candidates[name]()
            taken[name].append(time.perf_counter() - before)
        order = [*order[1:], order[0]]  # nobody always follows the same neighbour
        now = time.perf_counter()
        if now - start + (now - round_start) > seconds:
            return _fastest(
                {name: statistics.median(times) for name, times in taken.items()}, len(taken[order[0]])
            )


def _fastest(timings: Mapping[str, float], rounds: int) -> Choice:
    first, second, *_ = sorted(timings, key=lambda name: timings[name])
    ratio = timings[second] / max(timings[first], 1e-9)
    reason = (
        f"{timings[first] * 1e3:.3g} ms, {ratio:.2f} times as fast as {second}"
        f" (median of {rounds} {'round' if rounds == 1 else 'rounds'})"
    )
    return Choice(first, timings, reason)
