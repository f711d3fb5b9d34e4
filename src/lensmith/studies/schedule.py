"""Which studies are made, one after the other, and what is said of those that time was too short for."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lensmith.errors import LensmithError
from lensmith.studies.subject import Subject
from lensmith.types import Event

Study = Callable[[Subject], Generator[Event, None, dict[str, Any]]]
"""A generator of progress that returns what was found, as JSON; it has a sentence, `verdict`."""


@dataclass
class Studied:
    """What was found, by the name of the study; which were left out, and why; and the seconds of each."""

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def make_studies(studies: Mapping[str, Study], subject: Subject) -> Generator[Event, None, Studied]:
    """Make studies in their order until the subject's time is over. One that is not done by then is given up. What
    goes wrong in one does not touch the others."""
    done = Studied()
    for name, study in studies.items():
        if subject.left() <= 0:
            done.left_out[name] = "there was no time left"
            continue
        start = time.perf_counter()
        try:
            done.found[name] = yield from _in_time(study(subject), subject)
        except TimeoutError as late:
            done.left_out[name] = str(late) or f"not done after {time.perf_counter() - start:.1f} s"
        except LensmithError as error:
            done.left_out[name] = error.message
        done.seconds[name] = round(time.perf_counter() - start, 3)
        found = done.found.get(name, {})
        if "verdict" in found and "withheld" not in found:
            yield Event("study", found["verdict"])
    return done


def _in_time(
    going: Generator[Event, None, dict[str, Any]], subject: Subject
) -> Generator[Event, None, dict[str, Any]]:
    try:
        while True:
            yield next(going)
            if subject.left() <= 0:
                going.close()
                raise TimeoutError
    except StopIteration as end:
        found: dict[str, Any] = end.value
        return found
