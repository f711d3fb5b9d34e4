"""`fit`: the training loop, over plain parts, as something to iterate."""

from __future__ import annotations

import itertools
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lensmith.errors import UsageError
from lensmith.fitting.update import Rates, Update
from lensmith.types import Batch, Schedule

Passes = Iterable[Any] | Callable[..., Iterable[Any]]
"""A loader that is iterated once an epoch, or a function of the epoch's number (from 0). Where a training goes on
inside an epoch, the function is also given the number of the first batch (from 0) that is wanted."""


@dataclass(frozen=True)
class Step:
    """One update. index: from 1, over the whole run; loss: a scalar tensor that still lies on the device.

    made: False where a guarded update was left out, its gradient being no number. parts: in how many the batch was
    computed. rows: int64, which pictures of the data set it saw, where the loader says that.
    """

    index: int
    epoch: int
    loss: Tensor
    lr: float
    made: bool = True
    parts: int = 1
    rows: Tensor | None = None


@dataclass(frozen=True)
class Position:
    """Where a training stands after a step.

    epoch: from 0, that it is in; number: its steps so far, `losses` and `seconds` being theirs; done: steps in all;
    epochs: passes after which it ends; since: (passes, progress) where the schedule was last stretched.
    """

    epoch: int
    number: int
    done: int
    epochs: float
    since: tuple[float, float]
    losses: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class Epoch:
    """One pass. index: from 1; train_loss: mean over its batches; seconds: of training alone."""

    index: int
    train_loss: float
    lr: float
    seconds: float
    steps: int

    def __str__(self) -> str:
        return f"epoch {self.index}  loss {self.train_loss:.4f}  {self.seconds:.1f} s"


class Pass:
    """One epoch while it is trained: iterate it for its steps; `finish()` trains what is left of it."""

    def __init__(self, index: int, steps: Iterator[Step], begun: Position | None = None) -> None:
        self.index = index
        self.count = 0 if begun is None else begun.number
        self.seconds = 0.0 if begun is None else begun.seconds
        self._before = () if begun is None else begun.losses
        self._steps = steps
        self._losses: list[Tensor] = []
        self._lr = 0.0

    def __iter__(self) -> Iterator[Step]:
        start = time.perf_counter()
        for step in self._steps:
            self.seconds += time.perf_counter() - start
            self.count += 1
            if step.made:
                self._losses.append(step.loss)
            self._lr = step.lr
            yield step
            start = time.perf_counter()

    def finish(self) -> Epoch:
        """Train what is left; returns the epoch."""
        for _ in self:
            pass
        losses = self.losses()
        mean = sum(losses) / len(losses) if losses else math.nan
        return Epoch(self.index, mean, self._lr, self.seconds, self.count)

    def losses(self) -> tuple[float, ...]:
        """Of its steps so far that were made."""
        return (*self._before, *(torch.stack(self._losses).tolist() if self._losses else ()))


def fit(
    model: nn.Module,
    batches: Passes,
    *,
    loss: Callable[..., Tensor],
    optimizer: torch.optim.Optimizer,
    epochs: float,
    schedule: Schedule | None = None,
    device: str | torch.device | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
) -> Training:
    """Train while it is iterated: `for epoch in fit(...)`. Leaving the loop is early stopping.

    batches: a plain DataLoader of `(images, targets)`, or a function of the epoch's number.
    loss: `(outputs, targets)` -> one number per picture or their mean; torch's loss objects as they are.
    epochs: passes; a fraction ends inside one. schedule: progress in [0, 1] -> what each group's rate is
    multiplied by. device: where to train; where the model lies, if not given. precision: bfloat16 runs the
    network under autocast, its weights and their updates staying in float32.

    `.run()` goes through all epochs and returns them; `.steps()` iterates single updates instead.
    """
    if not 0 < epochs < math.inf:
        raise UsageError(f"epochs={epochs} is no number of passes")
    if precision not in ("float32", "bfloat16"):
        raise UsageError(f"precision={precision} is not one of float32, bfloat16")
    owned = {id(p) for p in model.parameters()}
    if not any(id(p) in owned for group in optimizer.param_groups for p in group["params"]):
        raise UsageError(
            "the optimizer holds none of the model's parameters",
            hint="Build it from this model: torch.optim.SGD(model.parameters(), lr=0.01).",
        )
    update = Update(model, loss, optimizer, device, precision)
    return Training(update, Rates(optimizer, schedule), batches, epochs)


class Training:
    """What `fit` returns: iterate it once, by epochs or by `.steps()`."""

    _begun = True  # until it is whole, there is nothing to warn of

    def __init__(self, update: Update, rates: Rates, batches: Passes, epochs: float) -> None:
        self.update = update
        self._rates = rates
        self._batches = batches
        self._epochs = _rounded(epochs)
        self._since = (0.0, 0.0)
        self._at = 0.0
        self._done = 0
        self._from = (0, 0)
        self._running = Pass(1, iter(()))
        self._begun = False

    def __iter__(self) -> Iterator[Epoch]:
        for running in self.passes():
            yield running.finish()

    def passes(self) -> Iterator[Pass]:
        """The epochs before they are trained: iterate each for its steps, then `finish()` it."""
        if self._begun:
            raise UsageError("this training was already iterated", hint="Call fit again to go on from here.")
        self._begun = True
        try:
            epoch, first = self._from
            while epoch < self._epochs:
                if first == 0:
                    self._running = Pass(epoch + 1, self._steps(epoch))
                yield self._running
                epoch, first = epoch + 1, 0
        finally:
            self._rates.restore()

    def steps(self) -> Iterator[Step]:
        """Single updates of all epochs, each yielded right after it was made."""
        for running in self.passes():
            yield from running

    @property
    def epochs(self) -> float:
        """Passes after which the run ends, as it stands."""
        return self._epochs

    @property
    def done(self) -> int:
        """Steps so far, those before it went on included."""
        return self._done

    def end_after(self, epochs: float) -> None:
        """From the next step on, let the run end after `epochs` passes in all, the schedule stretched to fit:
        it goes on from where it is. What has been trained already stays."""
        self._since = (self._at, self._progress())
        self._epochs = _rounded(epochs)

    def position(self) -> Position:
        """Where it stands after the step that was just yielded."""
        one = self._running
        return Position(
            one.index - 1, one.count, self._done, self._epochs, self._since, one.losses(), one.seconds
        )

    def go_on_from(self, position: Position) -> None:
        """Begin after the step of an earlier training by the same parts, whose weights and optimizer's state are
        put back already. `batches` has to be a function of the epoch and of the first batch that is wanted."""
        self._from = (position.epoch, position.number)
        self._done, self._epochs, self._since = position.done, position.epochs, position.since
        steps = self._steps(position.epoch, position.number)
        self._running = Pass(position.epoch + 1, steps, position)

    def run(self) -> list[Epoch]:
        """Train to the end; returns the epochs."""
        return list(self)

    def __del__(self) -> None:
        if not self._begun:
            warnings.warn("fit trains while you iterate it: nothing was trained", stacklevel=2)

    def _steps(self, epoch: int, first: int = 0) -> Iterator[Step]:
        if first:
            assert callable(self._batches)
            loader = self._batches(epoch, first)
        else:
            loader = self._batches(epoch) if callable(self._batches) else self._batches
        length = _length(self._batches) or _length(loader)
        if length is None and self._epochs % 1:
            raise UsageError(
                f"epochs={self._epochs}: the loader has no length, so no part of a pass can be told",
                hint="Give whole epochs, or a loader that has a length.",
            )
        self.update.model.train()
        number = first
        for batch in self._rest(loader, epoch, length, first):
            self._at = epoch + (number / length if length else 0.0)
            self._rates.set(self._progress())
            loss = self.update(batch)
            self._done += 1
            number += 1
            rows = batch.rows if isinstance(batch, Batch) else None
            del batch  # whoever looks at the step needs the memory
            made, parts = self.update.was_made, self.update.parts
            yield Step(self._done, epoch + 1, loss, self._rates.now(), made, parts, rows)
            self.update.model.train()  # whoever looked at the step may have measured in between
        if not number:
            raise UsageError(
                "the loader gave no batch",
                hint="Is the data set empty, drop_last=True too strict, or the loader a generator that is "
                "spent after one pass?",
            )

    def _rest(self, loader: Iterable[Any], epoch: int, length: int | None, first: int) -> Iterator[Any]:
        """The batches of a pass, up to where the run ends; asked anew at each, since `end_after` may move it."""
        batches = iter(loader)
        for number in itertools.count(first):
            # A whole pass goes to the loader's own end: torch's samplers draw once more from their generator there.
            share = self._epochs - epoch
            if length is not None and share < 1 and number >= math.ceil(round(length * share, 6)):
                return
            try:
                yield next(batches)
            except StopIteration:
                return

    def _progress(self) -> float:
        """Where the schedule is, in [0, 1]: the way from the last change to the end, walked evenly."""
        since, progress = self._since
        left = self._epochs - since
        return 1.0 if left <= 0 else progress + (1 - progress) * (self._at - since) / left


def _rounded(epochs: float) -> float:
    """0.1 * 30 is three passes, not a step of a fourth."""
    return max(1e-6, round(epochs, 6))


def _length(batches: Passes) -> int | None:
    try:
        return len(batches)  # type: ignore[arg-type]
    except TypeError:
        return None
