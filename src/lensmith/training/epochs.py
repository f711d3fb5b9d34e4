"""The passes of a training: logged, measured on val where test is held out, the wanted weights kept."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import torch

from lensmith.errors import DataError
from lensmith.fitting.fit import Epoch, Pass, fit
from lensmith.models.weights import weights_bytes
from lensmith.planning.changes import Change, Course, Recorded, Watcher, written
from lensmith.planning.deadline import Deadline
from lensmith.planning.pace import Pace
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import write_bytes
from lensmith.training.log import RunLog
from lensmith.training.prepare import Prepared
from lensmith.types import Event

_TOLD = 8
"""About how many epochs get a line of their own."""
_TIME_TO_TRACE = 20.0
"""Seconds of a budget's training from which on tracing the network for TensorBoard costs it little."""


@dataclass(frozen=True)
class Trained:
    """kept: which weights the network ended with, in words; changes: what was changed on the way; untried: there
    was no time for passes after the last layer."""

    kept: str
    changes: list[Change]
    untried: bool = False

    def as_it_went(self) -> dict[str, Any]:
        """The recipe's fields by which a repeat goes the same way, whatever its clock says."""
        if self.untried:
            return {"freeze": True, "epochs": 0.0, "choice_fraction": 0.0}
        return {"changes": written(self.changes)}


def train_epochs(prepared: Prepared, run: RunDirectory) -> Generator[Event, None, Trained]:
    """Train by the recipe; the network ends with the weights to keep."""
    recipe, model = prepared.plan.recipe, prepared.model
    assert recipe.epochs is not None and recipe.precision is not None
    optimizer, plateau = prepared.optimizer, None
    if recipe.schedule == "plateau":
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=1)
    training = fit(
        model,
        prepared.batches,
        loss=prepared.loss,
        optimizer=optimizer,
        epochs=recipe.epochs,
        schedule=None if plateau else prepared.schedule,
        precision=recipe.precision,
    )
    choose = chooser(prepared)
    log = RunLog(run, log_every=recipe.log_every, histograms=recipe.histograms)
    hurried = prepared.ends is not None and prepared.seconds < _TIME_TO_TRACE
    log.start(model, next(iter(prepared.batches(0))).images, graph=not hurried)
    best, course = Best(), Course(training, _watchers(prepared))
    for running in training.passes():
        epoch = yield from _logged(running, prepared, log, course)
        figures = choose()
        log.epoch(epoch, figures)
        best.look(epoch, figures, prepared)
        if plateau is not None:
            plateau.step(epoch.train_loss)
        if recipe.keep == "all":
            write_bytes(run.path / "epochs" / f"{epoch.index:04d}.safetensors", weights_bytes(model))
        share = min(1.0, epoch.index / training.epochs)
        yield replace(_event(epoch, figures, math.ceil(training.epochs)), figures={"passes": share, **figures})
    log.end(model, next(iter(prepared.batches(0))).images[0])
    kept = best.put_back(prepared) if recipe.keep == "best" else f"epoch {epoch.index}, the last"
    return Trained(kept, course.changes)


def _watchers(prepared: Prepared) -> list[Watcher]:
    """What may change the run on its way. A repeat follows the changes of the run that it repeats."""
    recipe = prepared.plan.recipe
    if recipe.changes is not None:
        return [Recorded(recipe.changes).step]
    watchers: list[Watcher] = [Pace(prepared.batches.work).step]
    if prepared.ends is not None and recipe.epochs is not None:
        watchers.append(
            Deadline(prepared.ends, recipe.epochs, len(prepared.batches), prepared.batches.work).step
        )
    return watchers


def _logged(running: Pass, prepared: Prepared, log: RunLog, course: Course) -> Generator[Event, None, Epoch]:
    for step in running:
        log.step(step, prepared.model)
        for change in course.step(step.index):
            log.note(step, change.words)
            if change.field == "threads":
                yield Event("warning", change.words)
    epoch = running.finish()
    if not math.isfinite(epoch.train_loss):
        raise DataError(
            f"the loss became {epoch.train_loss} in epoch {epoch.index}",
            hint=f"Try a lower lr than {prepared.plan.recipe.lr}.",
        )
    return epoch


def _event(epoch: Epoch, figures: dict[str, float], total: int) -> Event:
    measured = "".join(f"  {name.replace('_', ' ')} {value:.4f}" for name, value in figures.items())
    told = math.ceil(total / _TOLD)
    if epoch.index == total or epoch.index % told == 0:
        words = f"epoch {epoch.index}/{total}  loss {epoch.train_loss:.4f}{measured}  {epoch.seconds:.1f} s"
        return Event("train", words)
    return Event("train", f"epochs, loss {epoch.train_loss:.4f}{measured}", epoch.index, total)
