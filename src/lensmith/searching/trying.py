"""One recipe tried on the pictures of trials, with an end before its end where it is not worth its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lensmith.runs.recipe import Recipe
from lensmith.searching.judging import Judged, answers_of, judge
from lensmith.searching.ways import Setting, Sights, ask_heads, train_on
from lensmith.training.choosing import outputs_on
from lensmith.types import Event

Report = Callable[[float, float], bool]
"""Share of the passes that is made, figure on the pictures for choices -> whether that is enough of it."""
Result = TypeVar("Result")


class NotWorthIt(Exception):
    """A trial whose figures on the way are worse than those of others were."""


class TimeOver(Exception):
    """There is no time for what was begun."""


def never(share: float, value: float) -> bool:
    """For a trial that goes to its end whatever its figures."""
    return False


class Trying:
    """Tries recipes in one setting. sights: what trials on features share; None where each trains its own network."""

    def __init__(self, setting: Setting, sights: Sights | None, place: Path) -> None:
        self.setting = setting
        self.sights = sights
        self._place = place

    def judged(
        self, recipe: Recipe, name: str, report: Report, ends: float | None
    ) -> Generator[Event, None, Judged]:
        """How the recipe does. name: of its folder; ends: a time (time.time).

        Raises `NotWorthIt` where `report` says that it is enough, `TimeOver`, and `LensmithError` for what comes to
        nothing.
        """
        began = time.perf_counter()
        if self.sights is not None:
            sight, known = yield from in_time(self.sights.look(recipe), ends)
            answers = ask_heads(sight)
            seconds = time.perf_counter() - began
            return judge(answers, seconds, seconds + (sight.seconds if known else 0.0))
        grounds = self.setting.grounds
        training = train_on(self.setting, recipe, grounds.for_a_trial(), self._place / name)
        prepared = yield from _reported(in_time(training, ends), report)
        assert prepared.choice is not None and grounds.judge is not None
        used = prepared.choice.matching(grounds.judge)
        outputs, targets = outputs_on(prepared, prepared.choice, used)
        seconds = time.perf_counter() - began
        return judge(answers_of(outputs, targets, used), seconds, seconds)


def in_time(going: Generator[Event, None, Result], ends: float | None) -> Generator[Event, None, Result]:
    """The same, unless its time is over; raises `TimeOver`."""
    while True:
        try:
            event = next(going)
        except StopIteration as end:
            result: Result = end.value
            return result
        if ends is not None and time.time() > ends:
            going.close()
            raise TimeOver
        yield event


def _reported(training: Generator[Event, None, Result], report: Report) -> Generator[Event, None, Result]:
    """The same, its figures after each pass reported."""
    while True:
        try:
            event = next(training)
        except StopIteration as end:
            result: Result = end.value
            return result
        reached = event.reached
        is_on_its_way = reached is not None and reached.step < reached.steps
        if is_on_its_way and event.figures and report(_share(event), next(iter(event.figures.values()))):
            training.close()
            raise NotWorthIt
        yield event


def _share(event: Event) -> float:
    """Of a training's steps, how many were made."""
    return 1.0 if event.reached is None else event.reached.step / event.reached.steps


def counted(going: Generator[Event, None, Result], name: str) -> Generator[Event, None, Result]:
    """Progress alone, with a name."""
    while True:
        try:
            event = next(going)
        except StopIteration as end:
            result: Result = end.value
            return result
        reached = event.reached
        if reached is not None:  # told as progress: the trial's own line comes at its end
            done = min(reached.step, reached.steps - 1)
            yield Event(event.stage, f"{name}: {event.words}", done, reached.steps)
        elif event.total and event.done < event.total:
            yield replace(event, words=f"{name}: {event.words}")
