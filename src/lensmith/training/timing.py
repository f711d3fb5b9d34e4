"""Choices by timing a few steps on a copy of the network: precision, and how many epochs a budget holds."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lensmith.data.batches import Batches
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

    def seconds(self, precision: Precision, steps: int = 5) -> float:
        """Median seconds of one step, after two to warm up."""
        model, optimizer = copy.deepcopy((self.model, self.optimizer))  # together, so that they still belong
        for name, value in vars(self.optimizer).items():  # which torch's own copying leaves out
            vars(optimizer).setdefault(name, value)
        if isinstance(optimizer, Muon):
            optimizer.use_low_precision(precision == "bfloat16")
        training = fit(
            model, self.batches, loss=self.loss, optimizer=optimizer, epochs=1e6, precision=precision
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


_RESERVE = 8.0
"""Seconds kept back from a budget for tracing the graph, saving and the report."""
_SHORT = 20.0
"""Seconds of training under which choosing a precision costs more than it brings."""
_FEW_STEPS = 400
_PAYS = 1.1


def choose_precision(plan: Plan, trial: Trial) -> Plan:
    """float32, unless the training is long enough to ask and bfloat16 is clearly faster on this machine."""
    recipe = plan.recipe
    if recipe.precision is not None:
        return plan
    steps = len(trial.batches) * (recipe.epochs or 0)
    if recipe.budget is None and steps < _FEW_STEPS:
        return plan.choosing("too few steps to gain by less", precision="float32")
    full = trial.seconds("float32")
    long = recipe.budget is not None or full * steps > _SHORT
    if not long:
        return plan.choosing(
            f"{full * 1000:.0f} ms a step, too short a training to gain by less", precision="float32"
        )
    half = trial.seconds("bfloat16")
    words = f"measured: {full * 1000:.0f} ms a step in float32, {half * 1000:.0f} in bfloat16"
    return plan.choosing(words, precision="bfloat16" if half * _PAYS < full else "float32")


def fit_budget(plan: Plan, trial: Trial, spent: float) -> Plan:
    """Size the epochs to what is left of the budget.

    Raises `UsageError` naming the smallest budget that works.
    """
    recipe = plan.recipe
    if recipe.budget is None or recipe.epochs is not None:
        return plan
    began = time.perf_counter()
    seconds = trial.seconds(recipe.precision or "float32")
    spent += time.perf_counter() - began
    left = seconds_of(recipe.budget) - spent - _RESERVE
    steps = left / seconds
    if steps < 10:
        least = spent + _RESERVE + 10 * seconds
        raise UsageError(
            f"budget={recipe.budget} is too short for anything: one step takes {seconds:.2f} s here",
            hint=f"The smallest that works is about {math.ceil(1.05 * least)}s.",
        )
    reason = f"{seconds * 1000:.0f} ms a step, measured; {left:.0f} s left for training"
    return plan.choosing(reason, epochs=round(steps / len(trial.batches), 6))
