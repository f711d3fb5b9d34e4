"""Trial after trial, until there are as many as were asked for or the time is over."""

from __future__ import annotations

import statistics
import time
from collections.abc import Generator
from dataclasses import dataclass, replace

from lensmith.errors import LensmithError, MachineError
from lensmith.evaluation.spread import shown
from lensmith.runs.recipe import Recipe
from lensmith.searching.judging import Judged
from lensmith.searching.study import Study
from lensmith.searching.trial import Trial
from lensmith.searching.trying import NotWorthIt, TimeOver, Trying
from lensmith.types import Event

_ROOM = 1.1
"""Times the usual seconds of a trial that have to be left for another one."""
_OF_MEMORY = "alloc"
"""In the words of torch where there is not enough memory."""


@dataclass(frozen=True)
class Goal:
    """wanted: trials in all; ends: by when (time.time) the last has to be over; figure: what they are judged by."""

    wanted: int
    ends: float | None
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
        if goal.ends is not None and time.time() + needed > goal.ends:
            return f"the time is over after {taken} of {goal.wanted} trials"
        with study.trial() as trial:
            if study.is_surplus(trial.number, goal.wanted):  # another process was faster
                trial.lose()
                return ""
            try:
                words = yield from _tried(trial, trying, base, goal)
            except TimeOver:
                return f"the time is over after {taken} of {goal.wanted} trials"
        yield Event("trial", words)


def _tried(trial: Trial, trying: Trying, base: Recipe, goal: Goal) -> Generator[Event, None, str]:
    """One trial, and what came of it in words."""
    began = time.perf_counter()
    tried = " ".join(f"{name}={_short(value)}" for name, value in trial.params.items())
    number = f"{trial.number + 1}"
    try:
        recipe = base.changed(**trial.params)
        trying_it = trying.judged(recipe, f"{trial.number:04d}", trial.report, goal.ends)
        judged = yield from _counted(trying_it, f"trial {number}")
    except NotWorthIt:
        trial.prune(time.perf_counter() - began)
        return f"{number}: ended early, worse than most at that point; {tried}"
    except MachineError:
        raise
    except (LensmithError, RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and _OF_MEMORY not in str(error):
            raise
        message = error.message if isinstance(error, LensmithError) else "not enough memory for it"
        trial.fail(message, time.perf_counter() - began)
        return f"{number}: failed, {message}; {tried}"
    trial.complete(judged.value, judged.loss, judged.seconds, judged.anew)
    name = goal.figure.replace("_", " ")
    return f"{number}: {name} {shown(goal.figure, judged.value)}; {tried}"


def _counted(going: Generator[Event, None, Judged], name: str) -> Generator[Event, None, Judged]:
    """Progress alone, with the name of the trial."""
    while True:
        try:
            event = next(going)
        except StopIteration as end:
            result: Judged = end.value
            return result
        if event.total and event.done < event.total:
            yield replace(event, words=f"{name}: {event.words}")


def _short(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "auto"}[value]
    return f"{value:.3g}" if isinstance(value, float) else str(value)
