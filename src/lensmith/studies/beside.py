"""The run before this one that was measured on the same pictures: better, worse, or not to be told apart?"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from typing import Any

from lensmith.errors import LensmithError
from lensmith.evaluation.comparison import Comparison, compare, measured
from lensmith.runs.directory import RunDirectory
from lensmith.runs.looks import looks_at
from lensmith.studies.subject import Subject
from lensmith.types import Event


def beside(subject: Subject) -> Generator[Event, None, dict[str, Any]]:
    """The comparison with the newest other run that can be read, or nothing where there is none."""
    yield Event("studies", "the run before", 0, 1)
    here = subject.run.path
    names = looks_at(subject.run.looks_file, subject.held_out.fingerprint)
    for name in dict.fromkeys(reversed(names)):
        if name and name != here.name and (found := _compared(subject.run, RunDirectory(here.parent / name))):
            return {"run": name, "brief": found.brief(), **found.as_dict()}
    return {}


def _compared(run: RunDirectory, other: RunDirectory) -> Comparison | None:
    try:
        names = [dataclasses.replace(measured(one), name=one.path.name) for one in (run, other)]
        return compare(names)[0]
    except LensmithError:  # gone, damaged, or about other classes
        return None
