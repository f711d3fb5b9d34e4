"""What the processes do that are not the first of several: the same training, by what the first has chosen.

They learn, choose and measure with it, each on its share, and keep nothing. What they do write on the way, as every
training does, goes into a folder that is gone afterwards: the run's own is seen by the first alone, and may lie where
the others cannot look.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

import torch

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.bundle.measure import measure_bundle
from lensmith.errors import UsageError
from lensmith.machine.limits import compute_threads
from lensmith.machine.processes import Processes, join_processes
from lensmith.machine.runtime import find_runtime, place_in_world
from lensmith.planning.clock import Clock
from lensmith.runs.directory import RunDirectory
from lensmith.runs.recipe import Recipe
from lensmith.training.folds import measure_folds
from lensmith.training.learn import learn
from lensmith.training.learned import Learned
from lensmith.training.looking import measure_by_seeds
from lensmith.training.parts import Parts
from lensmith.training.prepare import Prepared
from lensmith.training.run import Run
from lensmith.training.several import untrained
from lensmith.training.start import prepare_job
from lensmith.types import Event

Result = TypeVar("Result")


def join_others(recipe: Recipe, *, going_on: bool) -> Processes:
    """Meet the processes that torchrun has started, and divide the host's threads with those that are here.

    Raises `UsageError` where the recipe asks for another number of them; a run that goes on takes any.
    """
    world_size = place_in_world()[1]
    if recipe.processes not in (None, world_size) and not going_on:
        raise UsageError(
            f"processes={recipe.processes}, and torchrun has started {world_size}",
            hint=f"Leave processes out, or start torchrun with --nproc-per-node {recipe.processes}.",
        )
    if world_size > 1:
        torch.set_num_threads(recipe.threads or compute_threads())
    return join_processes(find_runtime(recipe.device).device if world_size > 1 else "cpu")


def follow_first(source: Any, parts: Parts | None, processes: Processes) -> Run:
    """Take part in the first process's job to its end; returns its run, which lies where the first can see it."""
    chosen = processes.agreed(None)
    if chosen is not None:  # else the run is finished already
        with tempfile.TemporaryDirectory(prefix="lensmith-") as place:
            run = RunDirectory(Path(place) / "runs" / "followed")
            run.path.mkdir(parents=True)
            _silently(_follow(source, Recipe(**_here(chosen)), parts, processes, run))
    path: str | None = processes.agreed(None)
    assert path is not None
    return Run(RunDirectory(Path(path)))


def send_model(bundle: Bundle, processes: Processes) -> None:
    """Give the others the model as the first has saved it, so that all measure the same bytes."""
    if not processes.are_several:
        return
    with tempfile.TemporaryDirectory(prefix="lensmith-") as place:
        processes.sent(bundle.save(Path(place) / "model.lens").read_bytes())


def _here(chosen: dict[str, Any]) -> dict[str, Any]:
    """The first's choices, with this process's own GPU."""
    device = str(chosen["device"])
    return chosen | {"device": f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if "cuda" in device else device}


def _follow(
    source: Any, recipe: Recipe, parts: Parts | None, processes: Processes, run: RunDirectory
) -> Generator[Event, None, None]:
    clock = Clock()
    unspent = untrained(parts, recipe)
    prepared = yield from prepare_job(source, recipe, clock, parts, processes)
    torch.manual_seed(recipe.seed)
    learned = yield from learn(prepared, run)
    went = {} if recipe.freeze else learned.trained.as_it_went()
    recipe.changed(**went).write(run.recipe_file)
    bundle = _received(processes, run)
    yield from _measure(prepared, run, unspent, learned, bundle, clock)


def _received(processes: Processes, run: RunDirectory) -> Bundle:
    file = run.path / "model.lens"
    file.write_bytes(processes.sent(b""))
    return load_model(file)


def _measure(
    prepared: Prepared,
    run: RunDirectory,
    unspent: Parts | None,
    learned: Learned,
    bundle: Bundle,
    clock: Clock,
) -> Generator[Event, None, None]:
    """What the first does with all of them after the training."""
    roles, recipe = prepared.roles, prepared.plan.recipe
    if roles.folds:
        yield from measure_folds(prepared, unspent, run, learned)
    if not len(roles.held_out):
        return
    measured = yield from measure_bundle(
        bundle, roles.held_out, roles.held_out_name, store=recipe.store, processes=prepared.processes
    )
    if recipe.seeds > 1:
        yield from measure_by_seeds(prepared, unspent, run, learned.seen, measured, clock)


def _silently(job: Generator[Event, None, Result]) -> Result:
    """Go through a job that nobody watches."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            result: Result = end.value
            return result
