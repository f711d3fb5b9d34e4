"""`train`: the whole job as one call."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

from lensmith.runs.recipe import Recipe, named_recipe
from lensmith.runs.repetition import run_of_recipe
from lensmith.training.apart import goes_apart, train_apart
from lensmith.training.job import run_job
from lensmith.training.parts import take_parts
from lensmith.training.run import Run
from lensmith.types import Event

Result = TypeVar("Result")


def train(
    data: Any,
    *,
    recipe: Recipe | str | Path | None = None,
    out: str | Path | None = None,
    quiet: bool = False,
    **fields: Any,
) -> Run:
    """Train on labelled pictures, measure on those held out, write a run directory.

    data: a folder, an `ImageDataset`, or any object with `__len__` and `__getitem__`.
    recipe: a `Recipe`, a name (tutorial, transfer, scratch, fast) or a TOML file; `fields` are recipe fields
    that win over it, such as `budget="2m"`. Six of them also take the thing itself: `model` an nn.Module
    (trained in place), `loss` and `schedule` what `fit` takes, `optimizer` one that was built on the model or a
    function of parameters, `preprocess` a `Preprocess` or torchvision's transforms for measuring, `augment`
    those for training.
    out: the run's directory; `./runs/NAME-001` and on, if not given. Words on progress go to stderr. With
    `processes=2` the command trains, in processes of its own; the data then have to be a path.
    """
    given = recipe
    repeats = None if recipe is None or isinstance(recipe, Recipe) else run_of_recipe(recipe)
    if not isinstance(recipe, Recipe):
        recipe = Recipe() if recipe is None else named_recipe(recipe)
    recipe, parts = take_parts(recipe, fields)
    if goes_apart(recipe):
        return train_apart(data, given, fields | {"processes": recipe.processes}, out, quiet)
    job = run_job(data, recipe, parts=parts, out=None if out is None else Path(out), repeats=repeats)
    return finish(job, quiet)


def finish(job: Generator[Event, None, Result], quiet: bool) -> Result:
    """Go through a job; words on what is done go to stderr."""
    while True:
        try:
            event = next(job)
        except StopIteration as end:
            result: Result = end.value
            return result
        if not quiet and event.done >= event.total:
            sys.stderr.write(f"{event.stage:>9}  {event.words}\n")
