"""Choices by timing a few steps on a copy of the network: precision, and how many epochs a budget holds."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from lensmith.data.batches import Batches
from lensmith.data.growth import Growth
from lensmith.errors import UsageError
from lensmith.runs.fields import seconds_of
from lensmith.training.fit import fit
from lensmith.training.muon import Muon
from lensmith.training.plan import Plan

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Trial:
    """What a training step is made of; timing works on a copy of it."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Batches
    loss: Callable[..., Tensor]

    def seconds(self, precision: Precision, batch: int | None = None, steps: int = 5) -> float:
        """Median seconds of one step, after two to warm up; of `batch` pictures, if that is less than a step's."""
        size = min(batch or self.batches.batch_size, self.batches.batch_size)
        model, optimizer = copy.deepcopy((self.model, self.optimizer))  # together, so that they still belong
        for name, value in vars(self.optimizer).items():  # which torch's own copying leaves out
            vars(optimizer).setdefault(name, value)
        if isinstance(optimizer, Muon):
            optimizer.use_low_precision(precision == "bfloat16")
        training = fit(
            model,
            replace(self.batches, batch_size=size),
            loss=self.loss,
            optimizer=optimizer,
            epochs=1e6,
            precision=precision,
        )
        times, before = [], time.perf_counter()
        for number, step in enumerate(training.steps()):
            float(step.loss)  # waits for the device
            if number >= 2:
                times.append(time.perf_counter() - before)
            if len(times) == steps:
                break
            before = time.perf_counter()
        return statistics.median(times)


_RESERVE = 1.0
"""Seconds kept back from a budget for saving and the report, beside those for measuring."""
_MEASURED = 0.6
"""What measuring a picture takes, in float32 and forward alone, of what training on it takes."""
_LADDER = (
    ("convnet_large", 22.0, 500),
    ("convnet_medium", 9.0, 500),
    ("convnet", 0.7, 250),
    ("convnet_tiny", 0.0, 125),
)
"""From how many passes of convnet on each is worth its time, and the batch that goes with it. Chosen on a tenth of
CIFAR-10's training pictures."""
_SHORT = 20.0
"""Seconds of training under which choosing a precision costs more than it brings."""
_FEW_STEPS = 400
_PAYS = 1.1
_FEW = 64
"""Pictures of a trial step where only a ratio or the order of size is asked for."""


def choose_precision(plan: Plan, trial: Trial) -> Plan:
    """float32, unless the training is long enough to ask and bfloat16 is clearly faster on this machine."""
    recipe = plan.recipe
    if recipe.precision is not None:
        return plan
    steps = len(trial.batches) * (recipe.epochs or 0)
    if recipe.budget is None and steps < _FEW_STEPS:
        return plan.choosing("too few steps to gain by less", precision="float32")
    few = min(_FEW, trial.batches.batch_size)
    full = trial.seconds("float32", few)
    long = recipe.budget is not None or full / few * trial.batches.batch_size * steps > _SHORT
    if not long:
        return plan.choosing(
            f"{full * 1000:.0f} ms for {few} pictures, too short a training to gain by less",
            precision="float32",
        )
    half = trial.seconds("bfloat16", few)
    words = f"measured: {full * 1000:.0f} ms for {few} pictures in float32, {half * 1000:.0f} in bfloat16"
    return plan.choosing(words, precision="bfloat16" if half * _PAYS < full else "float32")


def choose_size(plan: Plan, trial: Trial, spent: float, rest: float) -> Plan:
    """Which of our networks a budget is enough for: `trial` is of convnet. What was asked for by name stays.

    spent: seconds since the start; rest: seconds that decoding the held-out pictures will take.
    """
    recipe = plan.recipe
    if recipe.budget is None or recipe.epochs is not None or "model" not in plan.reasons:
        return plan
    few = min(_FEW, trial.batches.batch_size)
    seconds = trial.seconds(recipe.precision or "float32", few, steps=3) / few * trial.batches.batch_size
    left = max(0.0, seconds_of(recipe.budget) - spent - _RESERVE - rest)
    passes = left / (seconds * len(trial.batches))
    name, _, batch = next(one for one in _LADDER if passes >= one[1])
    if "batch_size" in plan.reasons:
        plan = plan.choosing_again(f"goes with {name}", batch_size=min(batch, recipe.batch_size or batch))
    return plan.choosing_again(
        f"{plan.reasons['model']}, and {left:.0f} s are {passes:.1f} passes of convnet", model=name
    )


def fit_budget(plan: Plan, trial: Trial, spent: float, rest: float, held_out: int) -> Plan:
    """Size the epochs to what is left of the budget. rest: seconds that decoding the held-out pictures will take.

    Raises `UsageError` naming the smallest budget that works.
    """
    recipe = plan.recipe
    if recipe.budget is None or recipe.epochs is not None:
        return plan
    began = time.perf_counter()
    seconds = trial.seconds(recipe.precision or "float32")
    spent += time.perf_counter() - began
    rest += _RESERVE + _MEASURED * held_out * seconds / trial.batches.batch_size
    left = seconds_of(recipe.budget) - spent - rest
    steps = left / (seconds * Growth(recipe.small_first or 0.0).work(trial.batches.preprocess.size))
    if steps < 10:
        least = spent + rest + 10 * seconds
        raise UsageError(
            f"budget={recipe.budget} is too short for anything: one step takes {seconds:.2f} s here",
            hint=f"The smallest that works is about {math.ceil(1.05 * least)}s.",
        )
    reason = f"{seconds * 1000:.0f} ms a step, measured; {left:.0f} s left for training"
    return plan.choosing(reason, epochs=round(steps / len(trial.batches), 6))
