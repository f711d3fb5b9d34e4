"""`fit`: the training loop, over plain parts, as something to iterate."""

from __future__ import annotations

import copy
import itertools
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lensmith.errors import UsageError
from lensmith.training.losses import batch_loss
from lensmith.types import Batch, Schedule

Passes = Iterable[Any] | Callable[[int], Iterable[Any]]
"""A loader that is iterated once an epoch, or a function of the epoch's number (from 0)."""


@dataclass(frozen=True)
class Step:
    """One update. index: from 1, over the whole run; loss: a scalar tensor that still lies on the device."""

    index: int
    epoch: int
    loss: Tensor
    lr: float


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


def fit(
    model: nn.Module,
    batches: Passes,
    *,
    loss: Callable[..., Tensor],
    optimizer: torch.optim.Optimizer,
    epochs: float,
    schedule: Schedule | None = None,
    device: str | torch.device | None = None,
) -> Training:
    """Train while it is iterated: `for epoch in fit(...)`. Leaving the loop is early stopping.

    batches: a plain DataLoader of `(images, targets)`, or a function of the epoch's number.
    loss: `(outputs, targets)` -> one number per picture or their mean; torch's loss objects as they are.
    epochs: passes; a fraction ends inside one. schedule: progress in [0, 1] -> what each group's rate is
    multiplied by. device: where to train; where the model lies, if not given.

    `.run()` goes through all epochs and returns them; `.steps()` iterates single updates instead.
    """
    if not epochs > 0:
        raise UsageError(f"epochs={epochs}: there is nothing to train")
    owned = {id(p) for p in model.parameters()}
    if not any(id(p) in owned for group in optimizer.param_groups for p in group["params"]):
        raise UsageError(
            "the optimizer holds none of the model's parameters",
            hint="Build it from this model: torch.optim.SGD(model.parameters(), lr=0.01).",
        )
    return Training(model, batches, loss, optimizer, epochs, schedule, device)


class Training:
    """What `fit` returns: iterate it once, by epochs or by `.steps()`."""

    def __init__(
        self,
        model: nn.Module,
        batches: Passes,
        loss: Callable[..., Tensor],
        optimizer: torch.optim.Optimizer,
        epochs: float,
        schedule: Schedule | None,
        device: str | torch.device | None,
    ) -> None:
        self._begun = False
        place = next((p.device for p in model.parameters()), torch.device("cpu"))
        self._device = torch.device(device) if device is not None else place
        self._model = model.to(self._device)
        self._batches = batches
        self._loss = self._on_device(loss)
        self._optimizer = optimizer
        self._epochs = epochs
        self._schedule = schedule
        self._rates = [group["lr"] for group in optimizer.param_groups]
        self._done = 0

    def _on_device(self, loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """A loss with class weights must lie where the model does; the user's own object is left alone."""
        if isinstance(loss, nn.Module) and any(b.device != self._device for b in loss.buffers()):
            return copy.deepcopy(loss).to(self._device)
        return loss

    def __iter__(self) -> Iterator[Epoch]:
        self._begin()
        for epoch in range(math.ceil(self._epochs)):
            start = time.perf_counter()
            losses = [step.loss for step in self._pass(epoch)]
            if not losses:
                raise UsageError(
                    "the loader gave no batch", hint="Is the data set empty, or drop_last=True too strict?"
                )
            mean = float(torch.stack(losses).mean())
            yield Epoch(epoch + 1, mean, self._rate(), time.perf_counter() - start, len(losses))

    def steps(self) -> Iterator[Step]:
        """Single updates of all epochs, each yielded right after it was made."""
        self._begin()
        for epoch in range(math.ceil(self._epochs)):
            yield from self._pass(epoch)

    def run(self) -> list[Epoch]:
        """Train to the end; returns the epochs."""
        return list(self)

    def __del__(self) -> None:
        if not self._begun:
            warnings.warn("fit trains while you iterate it: nothing was trained", stacklevel=2)

    def _begin(self) -> None:
        if self._begun:
            raise UsageError(
                "this training was already iterated", hint="Call fit again to go on from these weights."
            )
        self._begun = True

    def _pass(self, epoch: int) -> Iterator[Step]:
        loader = self._batches(epoch) if callable(self._batches) else self._batches
        length = _length(self._batches)
        share = min(1.0, self._epochs - epoch)
        limit = None if length is None else math.ceil(length * share)
        self._model.train()
        for number, batch in enumerate(itertools.islice(loader, limit)):
            inside = number / length if length else 0.0
            self._set_rate((epoch + inside) / self._epochs)
            yield self._update(epoch, batch)
            self._model.train()  # whoever looked at the step may have measured in between

    def _update(self, epoch: int, batch: Any) -> Step:
        images, targets, mask = self._parts(batch)
        self._optimizer.zero_grad(set_to_none=True)
        loss = batch_loss(self._loss, self._model(images), targets, mask)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._done += 1
        return Step(self._done, epoch + 1, loss.detach(), self._rate())

    def _parts(self, batch: Any) -> tuple[Any, Any, Tensor | None]:
        if isinstance(batch, Batch):
            return (
                _moved(batch.images, self._device),
                _moved(batch.targets, self._device),
                batch.mask.to(self._device),
            )
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise UsageError(
                f"the loader gave a {type(batch).__name__}, not (images, targets)",
                hint="A data set for fit returns two things: the picture's tensor and its target.",
            )
        return _moved(batch[0], self._device), _moved(batch[1], self._device), None

    def _set_rate(self, progress: float) -> None:
        if self._schedule is None:
            return
        factor = self._schedule(min(1.0, progress))
        if not math.isfinite(factor):
            raise UsageError(f"the schedule gave {factor} at progress {progress:.3f}")
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor

    def _rate(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"])


def _length(batches: Passes) -> int | None:
    try:
        return len(batches)  # type: ignore[arg-type]
    except TypeError:
        return None


def _moved(value: Any, device: torch.device) -> Any:
    return value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
