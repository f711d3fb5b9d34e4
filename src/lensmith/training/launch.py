"""The run that a launch of torchrun has begun already: its processes were started again, and go on with it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lensmith.errors import LensmithError
from lensmith.runs.directory import RUNS, RunDirectory
from lensmith.runs.lock import hold, read_lock
from lensmith.runs.recipe import Recipe

_mine: set[Path] = set()
"""Runs that this very process has begun: whoever trains twice by one recipe means two runs."""


def launch_of(source: Any, recipe: Recipe) -> str:
    """By what a run knows again that it was this launch's, told what to do; "" without torchrun.

    torchrun's id; where it gave none, the host and torchrun's own process, which outlives those that it starts.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID", "")
    if not name:
        return ""
    if name == "none":
        name = f"{socket.gethostname()} {os.getppid()}"
    given = str(source) if isinstance(source, str | Path) else type(source).__name__
    words = f"{name}\n{given}\n{recipe.as_toml()}"
    return hashlib.sha256(words.encode("utf-8", "surrogateescape")).hexdigest()[:16]


@contextlib.contextmanager
def begun_before(launch: str, out: Path | None) -> Iterator[RunDirectory | None]:
    """The newest run of a launch, in `out` or under ./runs, that another process has begun, and holds it until the
    block ends; None without one."""
    run = _found(launch, out)
    if run is None:
        yield None
        return
    held = read_lock(run.lock_file)
    if held is not None and held.holder is not None and held.holder.is_alive() is None:
        # By a process of another host: torchrun has ended all of this launch before it started new ones.
        run.lock_file.unlink(missing_ok=True)
    with hold(run.path):
        yield run


def _found(launch: str, out: Path | None) -> RunDirectory | None:
    places = [out] if out is not None else [file.parent for file in RUNS.glob("*/facts.json")]
    found = [run for place in places if (run := RunDirectory(place)) and _launch(run) == launch]
    return max(found, key=lambda run: run.path.name, default=None) if launch else None


def remember_begun(run: RunDirectory) -> None:
    """This process has begun a run."""
    _mine.add(run.path.absolute())


def _launch(run: RunDirectory) -> str:
    if run.path.absolute() in _mine or not run.recipe_file.is_file():
        return ""
    with contextlib.suppress(LensmithError, AttributeError):
        return str(run.facts().get("launch", ""))
    return ""
