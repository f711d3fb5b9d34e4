"""`resume`: a run that was interrupted goes on, and ends as if it had not been."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from lensmith.errors import ModelFileError, UsageError
from lensmith.machine.runtime import place_in_world
from lensmith.runs.directory import RunDirectory, find_run
from lensmith.runs.fields import OWN
from lensmith.runs.lock import hold
from lensmith.runs.recipe import Recipe
from lensmith.training.job import is_finished, run_job
from lensmith.training.parts import take_parts
from lensmith.training.run import Run
from lensmith.training.train import finish
from lensmith.types import Event


def resume(run: str | Path | Run, data: Any = None, *, quiet: bool = False, **parts: Any) -> Run:
    """Go on with a run that was interrupted: from its newest checkpoint that verifies, to the same weights as if
    nothing had happened, then measure and report.

    run: its directory, or `last`. data: the pictures, where they were given as an object, or lie elsewhere now;
    parts: what was given to `train` as an object (model, loss, optimizer, schedule, preprocess, augment), as it was
    before the training. Raises `UsageError` where one of them is missing, `ModelFileError` where no checkpoint can
    be used, or where they are of another training.
    """
    directory = run.directory if isinstance(run, Run) else find_run(run)
    directory = RunDirectory(directory.path.absolute())
    with at_home(directory):
        return finish(resume_job(directory, data, **parts), quiet)


def resume_job(
    run: RunDirectory, data: Any = None, *, began: float | None = None, **parts: Any
) -> Generator[Event, None, Run]:
    """The rest of a run, as events, to be gone through in the folder that it was started in (`at_home`)."""
    if is_finished(run):
        yield Event("resume", f"{run.path} is finished")
        return Run(run)
    recipe, facts = run.recipe(), _facts(run)
    source = data if data is not None else facts["data"]["source"]
    if data is None and facts["folder"] is None:
        raise UsageError(
            f"{run.path}: its pictures were given in Python, as a {source}",
            hint="Give them again: lm.resume(run, data, ...).",
        )
    missing = [name for name in _own(recipe) if name not in parts]
    if missing:
        words = ", ".join(f"{name}=..." for name in missing)
        raise UsageError(
            f"{run.path}: {' and '.join(missing)} was given in Python",
            hint=f"Give the same again, as it was before the training: lm.resume(run, {words}).",
        )
    _, taken = take_parts(recipe, parts)
    # Of several processes the first holds it for all.
    with hold(run.path) if place_in_world()[0] == 0 else contextlib.nullcontext("") as cured:
        if cured:
            yield Event("resume", cured)
        return (yield from run_job(source, recipe, parts=taken, began=began, going_on=run))


@contextlib.contextmanager
def at_home(run: RunDirectory) -> Iterator[None]:
    """In the folder that the run was started in, where that is still there: names of files are looked up in it."""
    folder = _facts(run)["folder"]
    if folder is None or not Path(folder).is_dir():
        yield
        return
    with contextlib.chdir(folder):
        yield


def _facts(run: RunDirectory) -> dict[str, Any]:
    if not run.facts_file.is_file():
        raise ModelFileError(
            f"{run.path}: it ended before its first step, and there is nothing to go on from",
            hint="Train anew.",
        )
    facts = run.facts()
    if "folder" not in facts:
        raise ModelFileError(
            f"{run.path}: made by a lensmith that wrote no checkpoints",
            hint=f"To repeat it: lensmith train DATA --recipe {run.recipe_file}.",
        )
    return facts


def _own(recipe: Recipe) -> list[str]:
    names = ("model", "loss", "optimizer", "schedule", "preprocess", "augment")
    return [name for name in names if getattr(recipe, name) == OWN]
