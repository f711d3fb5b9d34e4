"""The passes of a training: logged, measured on val where test is held out, the wanted weights kept."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lensmith.errors import DataError
from lensmith.fitting.fit import Epoch, Pass, Step, fit
from lensmith.machine.processes import ALONE
from lensmith.models.weights import weights_bytes
from lensmith.planning.changes import Change, Course, Recorded, Watcher, read_changes, written
from lensmith.planning.deadline import Deadline
from lensmith.planning.pace import Pace
from lensmith.runs.checkpoints import Checkpoint
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import write_bytes
from lensmith.training.averaging import Average
from lensmith.training.checkpoints import OFF, Saver, read_state
from lensmith.training.choosing import Best, chooser
from lensmith.training.drawing import generators_of_others, seed_step
from lensmith.training.guard import Guard
from lensmith.training.interruption import Interruption
from lensmith.training.log import RunLog
from lensmith.training.prepare import Prepared
from lensmith.training.pulse import Pulse
from lensmith.training.streaming import share_missed
from lensmith.training.underway import Underway, require_same
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
    """Train by the recipe; the network ends with the weights to keep.

    Where the run has a checkpoint, the training goes on from there, and ends as if it had not been interrupted.
    Signals that end the process wait for the step that is being made, and for a checkpoint after it.
    """
    recipe = prepared.plan.recipe
    found = read_state(run.checkpoints, prepared.processes)
    if found is not None and prepared.processes.is_first:
        yield from _going_on(found, prepared)
    if found is not None and "ended" in found[0]:
        prepared.model.load_state_dict(found[0]["weights"])
        return Trained(found[0]["ended"], read_changes(found[0]["changes"]))
    prepared.processes.share_state(prepared.model)
    underway = _begun(prepared, run, None if found is None else found[0])
    size = sum(value.nbytes for value in prepared.model.state_dict().values() if isinstance(value, Tensor))
    every = recipe.checkpoint_every if prepared.processes.is_first else OFF
    saver = Saver(run.checkpoints, every, size)
    try:
        with generators_of_others(), Interruption() as interruption:
            yield from _passes(underway, run, saver, interruption)
            kept = _kept(underway)
            prepared.processes.share_state(prepared.model)
            share_missed(prepared.batches, prepared.processes)
            if (interruption.came and prepared.processes.is_first) or saver.is_worth_it():
                yield from _warned(saver.save(underway.state() | {"ended": kept}))
                yield from _warned(saver.wait())
            interruption.act()
    finally:
        saver.close()
    return Trained(kept, underway.course.changes)


def _going_on(found: tuple[dict[str, Any], Checkpoint], prepared: Prepared) -> Generator[Event, None, None]:
    """From where; refused where the checkpoint is of another training."""
    state, checkpoint = found
    require_same(state["of"], prepared, str(checkpoint.path))
    for reason in checkpoint.skipped:
        yield Event("warning", f"a checkpoint is passed over: {reason}")
    yield Event("resume", f"from step {checkpoint.step:,}, in epoch {state['epoch']} of {state['epochs']:g}")
    if state["torch"] != str(torch.__version__):
        words = (
            f"by torch {state['torch']}, and goes on by {torch.__version__}: sums may be rounded otherwise"
        )
        yield Event("warning", f"it was trained {words}")
    before, now = state["processes"], prepared.processes.world_size
    if before != now:
        words = "pictures and their order stay the same, sums are rounded in another order"
        yield Event("warning", f"it was trained by {before} process(es), and goes on by {now}: {words}")


def _begun(prepared: Prepared, run: RunDirectory, state: dict[str, Any] | None) -> Underway:
    """A training before its first step, or as it was after the one that `state` is of."""
    recipe, model, optimizer = prepared.plan.recipe, prepared.model, prepared.optimizer
    assert recipe.epochs is not None and recipe.precision is not None
    plateau, ends = None, prepared.ends
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
    training.update.share_with(prepared.processes)
    training.update.guarded = True
    training.update.parts = recipe.accumulate
    step, logged = (0, 0) if state is None else (state["step"], state["logged"])
    quiet = not prepared.processes.is_first
    log = RunLog(run, log_every=recipe.log_every, histograms=recipe.histograms, after=step, quiet=quiet)
    log.cut(logged)
    if state is not None and state["left"] is not None:
        ends = time.perf_counter() + state["left"]
    epochs = recipe.epochs if state is None else state["epochs"]
    is_open = recipe.changes is None and (recipe.threads != 1 or recipe.budget is not None)
    agreeing = prepared.processes if is_open else ALONE
    course = Course(training, _watchers(prepared, step, epochs, ends), agreeing)
    if recipe.changes is not None and state is None:
        course.step(0)
    average = Average(model, recipe.average) if recipe.average else None
    underway = Underway(prepared, training, Best(recipe.patience), course, log, plateau, average, ends)
    if state is not None:
        underway.take(state)
    return underway


def _passes(
    underway: Underway, run: RunDirectory, saver: Saver, interruption: Interruption
) -> Generator[Event, None, None]:
    """All that are left, each measured on the pictures for choices."""
    prepared, training, log, best = underway.prepared, underway.training, underway.log, underway.best
    recipe, model = prepared.plan.recipe, prepared.model
    if not training.done:
        hurried = prepared.ends is not None and prepared.seconds < _TIME_TO_TRACE
        log.start(model, next(iter(prepared.batches(0))).images, graph=not hurried)
    measured = model if underway.average is None else underway.average.model
    choose = chooser(replace(prepared, model=measured))
    guard, pulse = Guard(prepared, training.update.parts), Pulse(training, len(prepared.batches))
    for running in training.passes():
        epoch = yield from _logged(running, underway, guard, pulse, saver, interruption)
        figures = choose()
        log.epoch(epoch, figures)
        best.look(epoch, figures, measured)
        if underway.plateau is not None:
            underway.plateau.step(epoch.train_loss)
        if recipe.keep == "all" and prepared.processes.is_first:
            write_bytes(run.path / "epochs" / f"{epoch.index:04d}.safetensors", weights_bytes(measured))
        event = replace(_event(epoch, figures, math.ceil(training.epochs)), figures=figures)
        yield pulse.told(event)
        if best.is_over(epoch):
            yield Event("train", f"no better epoch than {best.risen} for {recipe.patience} on end: over")
            break
    guard.require_some()
    if underway.average is not None:
        model.load_state_dict(underway.average.model.state_dict())
    log.end(model, next(iter(prepared.batches(0))).images[0])


def _kept(underway: Underway) -> str:
    """Gives the network the weights to keep; says which they are."""
    if underway.prepared.plan.recipe.keep == "best":
        return underway.best.put_back(underway.prepared.model)
    return f"epoch {underway.training.position().epoch + 1}, the last"


def _watchers(prepared: Prepared, step: int, epochs: float, ends: float | None) -> list[Watcher]:
    """What may change the run on its way, from `step` on. A repeat follows the changes of the run that it repeats."""
    recipe = prepared.plan.recipe
    if recipe.changes is not None:
        return [Recorded(recipe.changes).step]
    watchers: list[Watcher] = [] if recipe.threads == 1 else [Pace(prepared.batches.work).step]
    if ends is not None:
        watchers.append(Deadline(ends, epochs, len(prepared.batches), prepared.batches.work, done=step).step)
    return watchers


def _logged(
    running: Pass, underway: Underway, guard: Guard, pulse: Pulse, saver: Saver, interruption: Interruption
) -> Generator[Event, None, Epoch]:
    """The steps of a pass, each followed by what may change, a checkpoint where it is time, and a signal's end."""
    prepared = underway.prepared
    seed_step(prepared.plan.recipe.seed, underway.training.done + 1, prepared.processes.rank)
    for step in running:
        if underway.average is not None:
            underway.average.step(prepared.model)
        try:
            yield from _noted(step, underway, guard)
            yield from pulse.step(step)
        except DataError:
            saver.save(underway.state())
            raise
        interruption.agree(prepared.processes)
        is_last = interruption.came and prepared.processes.is_first
        if saver.is_due() or (is_last and saver.step != step.index):
            yield from _warned(saver.save(underway.state()))
        if interruption.came:
            yield from _warned(saver.wait())
            prepared.processes.agreed(None)  # torchrun ends all as soon as one has left
            interruption.act()
        seed_step(prepared.plan.recipe.seed, step.index + 1, prepared.processes.rank)
    epoch = running.finish()
    if running.losses() and not math.isfinite(epoch.train_loss):
        raise DataError(
            f"the loss became {epoch.train_loss} in epoch {epoch.index}",
            hint=f"Try a lower lr than {prepared.plan.recipe.lr}.",
        )
    return epoch


def _noted(step: Step, underway: Underway, guard: Guard) -> Generator[Event, None, None]:
    """What a step brings beside its update: a point of the curves, and what is changed after it."""
    log, course = underway.log, underway.course
    log.step(step, underway.prepared.model)
    if (more := guard.more_parts(step)) is not None:
        course.changes.append(more)
        log.note(step, more.words)
        yield Event("warning", more.words)
    if words := guard.left_out(step):
        log.note(step, words)
        yield Event("warning", words)
    for change in course.step(step.index):
        log.note(step, change.words)
        if change.field == "threads":
            yield Event("warning", change.words)


def _warned(words: str) -> Iterator[Event]:
    if words:
        yield Event("warning", words)


def _event(epoch: Epoch, figures: dict[str, float], total: int) -> Event:
    measured = "".join(f"  {name.replace('_', ' ')} {value:.4f}" for name, value in figures.items())
    told = math.ceil(total / _TOLD)
    if epoch.index == total or epoch.index % told == 0:
        words = f"epoch {epoch.index}/{total}  loss {epoch.train_loss:.4f}{measured}  {epoch.seconds:.1f} s"
        return Event("train", words)
    return Event("train", f"epochs, loss {epoch.train_loss:.4f}{measured}", epoch.index, total)
