"""Choices by timing a few steps on a copy of the network: threads, precision, and what a budget is enough for."""

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

from lensmith.batches.batches import Batches
from lensmith.batches.growth import Growth
from lensmith.batches.streamed import Streamed
from lensmith.errors import UsageError
from lensmith.fitting.fit import fit
from lensmith.fitting.muon import Muon
from lensmith.machine.choose import Choice, choose
from lensmith.planning.clock import Clock
from lensmith.planning.plan import SMALL_ALREADY, Plan, muon_rate
from lensmith.runs.fields import seconds_of

Precision = Literal["float32", "bfloat16"]
_PRECISIONS: tuple[Precision, Precision] = ("float32", "bfloat16")


@dataclass(frozen=True)
class Trial:
    """What a training step is made of; timing works on a copy of it."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Batches | Streamed
    loss: Callable[..., Tensor]

    def step(self, precision: Precision, batch: int | None = None) -> Callable[[], None]:
        """A function that makes one step on a copy, with `batch` pictures if that is less than a step's."""
        size = min(batch or self.batches.batch_size, self.batches.batch_size)
        model, optimizer = copy.deepcopy((self.model, self.optimizer))  # together, so that they still belong
        for name, value in vars(self.optimizer).items():  # which torch's own copying leaves out
            vars(optimizer).setdefault(name, value)
        if isinstance(optimizer, Muon):
            optimizer.use_low_precision(precision == "bfloat16")
        batches = replace(self.batches, batch_size=size)
        steps = fit(
            model, batches, loss=self.loss, optimizer=optimizer, epochs=1e6, precision=precision
        ).steps()

        def one() -> None:
            float(next(steps).loss)  # waits for the device

        return one

    def seconds(self, precision: Precision, batch: int | None = None, steps: int = 5) -> float:
        """Median seconds of one such step, after two to warm up."""
        step = self.step(precision, batch)
        return statistics.median([_timed(step) for _ in range(steps + 2)][2:])

    def few(self) -> int:
        """Pictures of a step where only a ratio or the order of size is asked for: a moment's work, and more
        than one for each core."""
        size = min(_FEW, self.batches.batch_size)
        step = self.step("float32", min(_FEWER, size))
        seconds = [_timed(step) for _ in range(2)][-1]
        return size if seconds < _MOMENT * _FEWER / _FEW else min(_FEWER, size)


_FEW, _FEWER = 64, 8
_MOMENT = 0.5
"""Seconds that a step of few pictures may take."""
_ASKING, _SHARE_OF_BUDGET = 0.3, 0.015
"""Seconds that a choice by timing may take, unless the steps themselves are longer; of a budget, at most so much."""
_LONG = 5.0
"""Seconds of features from which on their threads are chosen."""
_SHARE_OF_FEATURES = 0.05
"""Of what the features take, for choosing their precision."""
_RESERVE = 1.4
"""Seconds kept back from a budget for saving, the report and the end of the process, beside those for measuring."""
_MEASURED = 0.6
"""What measuring a picture takes, in float32 and forward alone, of what training on it takes."""
_LADDER = (
    ("convnet_large", 22.0, 500),
    ("convnet_medium", 4.0, 500),
    ("convnet", 0.7, 250),
    ("convnet_tiny", 0.0, 125),
)
"""From how many passes of convnet on each is worth its time, and the batch that goes with it. Chosen on a tenth of
CIFAR-10's training pictures."""
_SHORT = 20.0
"""Seconds of training under which choosing costs more than it brings."""
_FEW_STEPS = 400
_PAYS = 1.1


def choose_arithmetic(plan: Plan, trial: Trial) -> Plan:
    """Threads and precision: all of torch's threads and float32, unless the training is long enough to ask and
    something else is clearly faster on this machine."""
    recipe = plan.recipe
    threads = torch.get_num_threads()
    if recipe.precision is not None and recipe.threads is not None:
        return plan
    steps = len(trial.batches) * (recipe.epochs or 0)
    if recipe.budget is None and steps < _FEW_STEPS:
        plan = plan.choosing("too few steps to gain by less", precision="float32")
        return plan.choosing("those that torch takes", threads=threads)
    few = trial.few()
    if recipe.budget is None:
        seconds = trial.seconds("float32", few, steps=3) / few * trial.batches.batch_size * steps
        if seconds < _SHORT:
            plan = plan.choosing(f"{seconds:.0f} s of training gain little by less", precision="float32")
            return plan.choosing("those that torch takes", threads=threads)
    plan = _choose_threads(plan, lambda: trial.step(recipe.precision or "float32", few), few)
    return _choose_precision(plan, trial, few)


def _choose_threads(plan: Plan, make: Callable[[], Callable[[], None]], few: int) -> Plan:
    """Half as many where more are slower: their waiting for each other costs, and most where others compute too.

    make: gives what is timed, on `few` pictures.
    """
    threads = torch.get_num_threads()
    if plan.recipe.threads is not None or plan.recipe.device != "cpu" or threads == 1:
        return plan.choosing("those that torch takes", threads=threads)
    step = make()

    def of(number: int) -> Callable[[], None]:
        def one() -> None:
            torch.set_num_threads(number)
            step()

        return one

    choice = choose({str(number): of(number) for number in (threads, threads // 2)}, _asking(plan))
    chosen = threads // 2 if _is_faster(choice, str(threads // 2), str(threads)) else threads
    torch.set_num_threads(chosen)
    return plan.choosing(f"measured: {_timings(choice, few)}", threads=chosen)


def _choose_precision(plan: Plan, trial: Trial, few: int) -> Plan:
    """bfloat16 where it is clearly faster."""
    if plan.recipe.precision is not None:
        return plan
    choice = choose({word: trial.step(word, few) for word in _PRECISIONS}, _asking(plan))
    return plan.choosing(f"measured: {_timings(choice, few)}", precision=_faster_precision(choice))


def _faster_precision(choice: Choice) -> Precision:
    return "bfloat16" if _is_faster(choice, "bfloat16", "float32") else "float32"


def _asking(plan: Plan) -> float:
    budget = plan.recipe.budget
    return _ASKING if budget is None else min(_ASKING, _SHARE_OF_BUDGET * seconds_of(budget))


def _is_faster(choice: Choice, one: str, other: str) -> bool:
    return choice.timings[one] * _PAYS < choice.timings[other]


def _timings(choice: Choice, few: int) -> str:
    timed = (f"{1000 * seconds:.0f} ms with {name}" for name, seconds in choice.timings.items())
    return f"{few} pictures take {', '.join(timed)}"


@dataclass(frozen=True)
class Spending:
    """Where a budget goes beside the training. clock: what is spent; decoding: seconds that reading the held-out
    pictures will take; held_out: how many they are."""

    clock: Clock
    decoding: float
    held_out: int

    def left(self, budget: str, measuring: float = 0.0) -> float:
        """Seconds left for training; measuring: seconds that the network needs for one held-out picture."""
        rest = _RESERVE + self.decoding + self.held_out * measuring
        return seconds_of(budget) - self.clock.spent() - rest


def choose_size(plan: Plan, trial: Trial, spending: Spending) -> Plan:
    """Which of our networks a budget is enough for: `trial` is of convnet. What was asked for by name stays."""
    recipe = plan.recipe
    if recipe.budget is None or recipe.epochs is not None or "model" not in plan.reasons:
        return plan
    few = min(_FEW, trial.batches.batch_size)
    seconds = trial.seconds(recipe.precision or "float32", few, steps=3) / few * trial.batches.batch_size
    left = max(0.0, spending.left(recipe.budget))
    passes = left / (seconds * len(trial.batches))
    name, _, batch = next(one for one in _LADDER if passes >= one[1])
    if "batch_size" in plan.reasons:
        plan = plan.choosing_again(f"goes with {name}", batch_size=min(batch, recipe.batch_size or batch))
    if "lr" in plan.reasons and recipe.optimizer == "muon":
        plan = plan.choosing_again(f"goes with {name}", lr=muon_rate(name))
    if name == SMALL_ALREADY and "small_first" in plan.reasons:
        plan = plan.choosing_again("its first layer makes small pictures small enough", small_first=0.0)
    return plan.choosing_again(
        f"{plan.reasons['model']}, and {left:.0f} s are {passes:.1f} passes of convnet", model=name
    )


@dataclass(frozen=True)
class Sized:
    """A plan with its number of passes. seconds: that training will take about; ends: by which time
    (time.perf_counter) it should be over, where a budget says."""

    plan: Plan
    seconds: float
    ends: float | None = None


def size_training(plan: Plan, trial: Trial, spending: Spending) -> Sized:
    """How long the training will take; where there is a budget, the passes that fit into what is left of it.

    Raises `UsageError` naming the smallest budget that works.
    """
    recipe = plan.recipe
    precision = recipe.precision or "float32"
    work = Growth(recipe.small_first or 0.0).work(trial.batches.preprocess.size)
    if recipe.epochs is not None:
        few = trial.few()
        seconds = work * trial.seconds(precision, few, steps=2) / few * trial.batches.batch_size
        return Sized(plan, seconds * recipe.epochs * len(trial.batches))
    assert recipe.budget is not None
    seconds = trial.seconds(precision)
    left = spending.left(recipe.budget, _MEASURED * seconds / trial.batches.batch_size)
    steps = left / (seconds * work)
    if steps < 10:
        least = seconds_of(recipe.budget) - left + 10 * seconds
        raise UsageError(
            f"budget={recipe.budget} is too short for anything: one step takes {seconds:.2f} s here",
            hint=f"The smallest that works is about {math.ceil(1.05 * least)}s.",
        )
    reason = f"{seconds * 1000:.0f} ms a step, measured; {left:.0f} s left for training"
    plan = plan.choosing(reason, epochs=round(steps / len(trial.batches), 6))
    return Sized(plan, left, time.perf_counter() + left)


def size_features(plan: Plan, trial: Trial) -> Sized:
    """The threads and the precision with which the network looks at every picture once, mirrored too where that
    is drawn, and how long that will take."""
    views = 2 if trial.batches.augment.flip else 1
    looks = views * len(trial.batches.pixels) / _FEWER
    ways: dict[str, Callable[[], None]] = {word: _looking(trial, word) for word in _PRECISIONS}
    look = ways[plan.recipe.precision or "float32"]
    seconds = [_timed(look) for _ in range(2)][-1] * looks
    if seconds < _MOMENT:
        plan = plan.choosing("the features are there in a moment", precision="float32")
    if seconds < _LONG:
        plan = plan.choosing("those that torch takes", threads=torch.get_num_threads())
    plan = _choose_threads(plan, lambda: look, _FEWER)
    if plan.recipe.precision is not None:
        return Sized(plan, seconds)
    choice = choose(ways, min(_SHARE_OF_FEATURES * seconds, _asking(plan)))
    precision = _faster_precision(choice)
    plan = plan.choosing(f"measured: {_timings(choice, _FEWER)}", precision=precision)
    return Sized(plan, choice.timings[precision] * looks)


def _looking(trial: Trial, precision: Precision) -> Callable[[], None]:
    """A function that looks at a few pictures, as `transfer.see` does."""
    images = next(replace(trial.batches, batch_size=_FEWER)(0)).images
    trial.model.eval()

    def look() -> None:
        with (
            torch.inference_mode(),
            torch.autocast(images.device.type, torch.bfloat16, precision != "float32"),
        ):
            float(trial.model(images).sum())  # waits for the device

    return look


def _timed(step: Callable[[], None]) -> float:
    before = time.perf_counter()
    step()
    return time.perf_counter() - before
