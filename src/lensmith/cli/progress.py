"""Go through a job's events, showing each; returns what the job returns."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import TypeVar

from lensmith.cli import show
from lensmith.cli.detached import settle
from lensmith.runs.progress import RUN
from lensmith.types import Event

Result = TypeVar("Result")


def follow(job: Generator[Event, None, Result]) -> Result:
    """Show a job's events until it ends. An interruption reaches the job, so that it can save first."""
    try:
        with closing(job):
            while True:
                try:
                    event = next(job)
                    if event.stage == RUN:
                        settle(event.words)
                    show.Progress.show(event)
                except StopIteration as end:
                    result: Result = end.value
                    return result
    finally:
        show.Progress.clear()


def in_events(stage: str, job: Generator[str, None, Result]) -> Generator[Event, None, Result]:
    """A job that says in words what it is at, as one that `follow` can show."""
    with closing(job):
        while True:
            try:
                words = next(job)
            except StopIteration as end:
                result: Result = end.value
                return result
            yield Event(stage, words)
