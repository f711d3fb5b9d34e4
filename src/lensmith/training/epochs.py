"""The passes of a training: logged, measured on val where test is held out, the wanted weights kept."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lensmith.batches.batches import laid_out, normalised
from lensmith.data.dataset import ImageDataset
from lensmith.data.target_array import target_array
from lensmith.errors import DataError
from lensmith.evaluation.evaluate import gather
from lensmith.evaluation.metrics import measure
from lensmith.fitting.fit import Epoch, Pass, fit
from lensmith.models.weights import weights_bytes
from lensmith.planning.changes import Change, Course, Recorded, Watcher, written
from lensmith.planning.deadline import Deadline
from lensmith.planning.pace import Pace
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import write_bytes
from lensmith.store.store import Column
from lensmith.training.log import RunLog
from lensmith.training.prepare import Prepared
from lensmith.types import Batch, Event

_TOLD = 8
"""About how many epochs get a line of their own."""
_TIME_TO_TRACE = 20.0
"""Seconds of a budget's training from which on tracing the network for TensorBoard costs it little."""
_BATCH, _SIDE = 256, 64
"""Pictures measured together, of that side; of larger ones fewer, since their maps fill the memory."""
_LOWER_IS_BETTER = {"mae"}


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
        yield _event(epoch, figures, math.ceil(training.epochs))
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


class Best:
    """The best epoch so far by the split that choices are made on; without one, nothing is kept back."""

    def __init__(self) -> None:
        self.epoch = 0
        self.score = -math.inf
        self.state: dict[str, Tensor] | None = None

    def look(self, epoch: Epoch, figures: dict[str, float], prepared: Prepared) -> None:
        """Keep a copy of the weights where this epoch is better than all before it."""
        if not figures:
            return
        score = _score(figures)
        if score >= self.score:  # of equals the later has seen more
            self.epoch, self.score = epoch.index, score
            self.state = copy.deepcopy(prepared.model.state_dict())

    def put_back(self, prepared: Prepared) -> str:
        """Give the network the best weights; says which they are."""
        if self.state is None:
            return "the last epoch: no split was set apart to choose on"
        prepared.model.load_state_dict(self.state)
        return f"epoch {self.epoch}, the best on val"


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


def is_better(figures: dict[str, float], than: dict[str, float]) -> bool:
    """Whether a network that was measured twice by the same `chooser` does better the first time."""
    return _score(figures) > _score(than)


def _score(figures: dict[str, float]) -> float:
    """What is better is higher."""
    name = next(iter(figures))
    return -figures[name] if name.removeprefix("val_") in _LOWER_IS_BETTER else figures[name]


def chooser(prepared: Prepared) -> Callable[[], dict[str, float]]:
    """A function that measures the network as it is on the split for choices; {} where there is none."""
    choice, column = prepared.roles.choice, prepared.choice
    if choice is None or column is None:
        return dict
    used = column.matching(choice)

    def figures() -> dict[str, float]:
        outputs, found = outputs_on(prepared, column, used)
        if used.task == "regression":
            found = found[:, 0]
        report = measure(outputs, found, used.classes, used.task)
        return {f"val_{report.main}": report[report.main].value}

    return figures


def outputs_on(
    prepared: Prepared, column: Column, data: ImageDataset
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """What the network, as it is, says of prepared pictures: outputs [N, ...] and targets. data: of the column."""
    recipe = prepared.plan.recipe
    targets = torch.from_numpy(target_array(data))
    pixels = torch.from_numpy(column.pixels)
    size = max(16, min(_BATCH, _BATCH * _SIDE**2 // (pixels.shape[1] * pixels.shape[2])))

    def batches() -> Iterator[Batch]:
        for start in range(0, len(pixels), size):
            images = normalised(pixels[start : start + size].to(recipe.device), prepared.preprocess)
            images = laid_out(images, recipe.layout)
            part = targets[start : start + size]
            yield Batch(images, part, torch.ones(len(part), dtype=torch.bool))

    return gather(prepared.model, batches())


def _event(epoch: Epoch, figures: dict[str, float], total: int) -> Event:
    measured = "".join(f"  {name.replace('_', ' ')} {value:.4f}" for name, value in figures.items())
    told = math.ceil(total / _TOLD)
    if epoch.index == total or epoch.index % told == 0:
        words = f"epoch {epoch.index}/{total}  loss {epoch.train_loss:.4f}{measured}  {epoch.seconds:.1f} s"
        return Event("train", words)
    return Event("train", f"epochs, loss {epoch.train_loss:.4f}{measured}", epoch.index, total)
