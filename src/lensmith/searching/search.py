"""Trial after trial, until there are as many as were asked for or the time is over."""

from __future__ import annotations

import statistics
import time
from collections.abc import Generator
from dataclasses import dataclass

from lensmith.errors import LensmithError, MachineError
from lensmith.evaluation.spread import shown
from lensmith.runs.recipe import Recipe
from lensmith.searching.study import Study
from lensmith.searching.timetable import Timetable
from lensmith.searching.trial import Row, Trial
from lensmith.searching.trying import NotWorthIt, TimeOver, Trying, counted
from lensmith.types import Event

_ROOM = 1.1
"""Times the usual seconds of a trial that have to be left for another one."""
_OF_MEMORY = "alloc"
"""In the words of torch where there is not enough memory."""


@dataclass(frozen=True)
class Goal:
    """wanted: trials in all; table: by when the last has to be over; figure: what they are judged by."""

    wanted: int
    table: Timetable
    figure: str


def search(study: Study, trying: Trying, base: Recipe, goal: Goal) -> Generator[Event, None, str]:
    """Make trials; returns why no more were made, "" where there are as many as were wanted."""
    while True:
        study.retry_lost()
        rows = study.rows()
        taken = sum(row.state != "lost" for row in rows)
        if taken >= goal.wanted:
            return ""
        usual = [row.seconds for row in rows if row.state == "complete" and row.seconds is not None]
        needed = _ROOM * statistics.median(usual) if usual else 0.0
        best = study.best()
        ends = goal.table.trials_end(best.anew if best else None)
        if ends is not None and time.time() + needed > ends:
            return f"the time is over after {taken} of {goal.wanted} trials"
        with study.trial() as trial:
            if study.is_surplus(trial.number, goal.wanted):  # another process was faster
                trial.lose()
                return ""
            try:
                yield from _tried(trial, trying, base, ends)
            except TimeOver:
                return f"the time is over after {taken} of {goal.wanted} trials"
        for row in study.rows():
            if row.number == trial.number:
                yield Event("trial", row_words(row, goal.figure))


def _tried(trial: Trial, trying: Trying, base: Recipe, ends: float | None) -> Generator[Event, None, None]:
    """One trial. ends: by when (time.time) it has to be over."""
    began = time.perf_counter()
    try:
        recipe = base.changed(**trial.params)
        trying_it = trying.judged(recipe, f"{trial.number:04d}", trial.report, ends)
        judged = yield from counted(trying_it, f"trial {trial.number + 1}")
    except NotWorthIt:
        trial.prune(time.perf_counter() - began)
    except MachineError:
        raise
    except (LensmithError, RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and _OF_MEMORY not in str(error):
            raise
        message = error.message if isinstance(error, LensmithError) else "not enough memory for it"
        trial.fail(message, time.perf_counter() - began)
    else:
        trial.complete(judged.value, judged.loss, judged.seconds, judged.anew)


def row_words(row: Row, figure: str) -> str:
    """What came of a trial, in one line."""
    tried = " ".join(f"{name}={short(value)}" for name, value in row.params.items())
    if row.state == "complete" and row.value is not None:
        came = f"{figure.replace('_', ' ')} {shown(figure, row.value)}"
    elif row.state == "pruned":
        came = "ended early, worse than most at that point"
    else:
        came = f"failed, {row.error}"
    return f"{row.number + 1}: {came}; {tried}"


def short(value: object) -> str:
    """A value as people read it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "auto"}[value]
    return f"{value:.3g}" if isinstance(value, float) else str(value)
