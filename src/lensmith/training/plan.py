"""What a recipe leaves open is chosen here, once, before the first step, each choice with its reason."""

from __future__ import annotations

import copy
import math
import re
import statistics
import time
from dataclasses import dataclass
from typing import Any

from torch import nn

from lensmith.data.batches import Batches
from lensmith.data.dataset import ImageDataset
from lensmith.errors import PictureError, UsageError
from lensmith.machine.runtime import Runtime
from lensmith.runs.recipe import Recipe, seconds_of
from lensmith.training.fit import fit
from lensmith.training.optim import make_optimizer

_PHOTO_SIZE = 128
_SMALL_SIDE = 96
_SAMPLED = 32
_STEPS_WANTED = 300
_RESERVE = 8.0
"""Seconds kept back from a budget for tracing the graph, saving and the report."""


@dataclass(frozen=True)
class Plan:
    """A recipe with nothing left open, and why each choice was made: field -> words."""

    recipe: Recipe
    reasons: dict[str, str]


def choose(recipe: Recipe, train: ImageDataset, runtime: Runtime) -> Plan:
    """Fill in what does not need a timing. Raises `UsageError` for what cannot be combined."""
    chosen: dict[str, tuple[Any, str]] = {}

    def put(name: str, value: Any, reason: str) -> None:
        if getattr(recipe, name) is None:
            chosen[name] = (value, reason)

    if recipe.task not in (None, train.task):
        raise UsageError(f"task={recipe.task}, and the targets of {train.name} are for {train.task}")
    put("task", train.task, "what the targets are")
    put("device", runtime.device, runtime.reason)
    put("model", "convnet", "from scratch, for small pictures")
    put("fit", "crop", "the centre of the picture, nothing distorted")
    if recipe.image_size is None:
        size, why = _image_size(train)
        put("image_size", size, why)
    if recipe.flip is None:
        put("flip", *_flip(train))
    count = len(train)
    batch = recipe.batch_size or max(1, min(64 if count < 10_000 else 256, count // 4))
    put("batch_size", batch, f"{count:,} training pictures")
    highest = {"sgd": 0.05, "adam": 0.002, "adamw": 0.002}[recipe.optimizer]
    put("lr", round(highest * (batch / 64) ** 0.5, 6), f"{recipe.optimizer} at a batch of {batch}")
    if recipe.budget is None:
        steps = max(1, count // batch)
        epochs = max(4, min(40, round(_STEPS_WANTED / steps)))
        put("epochs", float(epochs), f"{epochs * steps:,} steps of {batch} pictures")
    filled = recipe.changed(**{name: value for name, (value, _) in chosen.items()})
    return Plan(filled, {name: reason for name, (_, reason) in chosen.items()})


def fit_budget(plan: Plan, model: nn.Module, batches: Batches, loss: Any, spent: float) -> Plan:
    """Size the epochs to what is left of the budget, by timing a few steps of a copy of the model.

    Raises `UsageError` naming the smallest budget that works.
    """
    recipe = plan.recipe
    if recipe.budget is None or recipe.epochs is not None:
        return plan
    seconds = time_step(recipe, model, batches, loss)
    left = seconds_of(recipe.budget) - spent - _RESERVE
    epochs = left / (seconds * len(batches))
    if epochs * len(batches) < 10:
        least = spent + _RESERVE + 10 * seconds
        raise UsageError(
            f"budget={recipe.budget} is too short for anything: one step takes {seconds:.2f} s here",
            hint=f"The smallest that works is about {math.ceil(1.05 * least)}s.",
        )
    reason = f"{seconds * 1000:.0f} ms a step, measured; {left:.0f} s left for training"
    return Plan(recipe.changed(epochs=round(epochs, 6)), {**plan.reasons, "epochs": reason})


def time_step(recipe: Recipe, model: nn.Module, batches: Batches, loss: Any, steps: int = 5) -> float:
    """Median seconds of one training step, on a copy of the model, after two to warm up."""
    trial = copy.deepcopy(model)
    training = fit(
        trial, batches, loss=loss, optimizer=make_optimizer(trial, recipe.changed(lr=1e-6)), epochs=1e6
    )
    times, before = [], time.perf_counter()
    for number, step in enumerate(training.steps()):
        float(step.loss)  # waits for the device
        now = time.perf_counter()
        if number >= 2:
            times.append(now - before)
        if len(times) == steps:
            break
        before = time.perf_counter()
    return statistics.median(times)


def _image_size(train: ImageDataset) -> tuple[int, str]:
    """The pictures' own side where all are small and alike, else a size for photos."""
    shapes = set()
    for index in range(0, len(train), max(1, len(train) // _SAMPLED)):
        try:
            shapes.add(train.pixels(index).shape[:2])
        except PictureError:
            continue  # the store will say which and why
    if len(shapes) == 1:
        (height, width) = next(iter(shapes))
        if max(height, width) <= _SMALL_SIDE:
            return min(height, width), f"the pictures are {width} x {height}"
    return _PHOTO_SIZE, "photos of several sizes" if len(shapes) > 1 else "large pictures"


def _flip(train: ImageDataset) -> tuple[bool, str]:
    """Mirroring changes what a digit, a letter or left and right mean."""
    names = [name.lower() for name in train.classes]
    if any(len(name) == 1 and name.isalnum() for name in names):
        return False, "the classes are digits or letters, which mirroring changes"
    if any({"left", "right"} & set(re.split("[^a-z]+", name)) for name in names):
        return False, "the classes tell left from right"
    return True, "nothing in the class names speaks against mirroring"
