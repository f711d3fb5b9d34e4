"""One update of a network from one batch, and the learning rates that it is made with."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lensmith.errors import UsageError
from lensmith.fitting.losses import batch_loss
from lensmith.fitting.order import SortedByClass
from lensmith.types import Batch, Schedule


class Update:
    """Called with a batch, it moves the network by one step and returns the loss, a scalar on the device."""

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[..., Tensor],
        optimizer: torch.optim.Optimizer,
        device: str | torch.device | None,
        precision: str,
    ) -> None:
        place = next((p.device for p in model.parameters()), torch.device("cpu"))
        self._device = torch.device(device) if device is not None else place
        self.model = model.to(self._device)
        self._loss = self._on_device(loss)
        self._optimizer = optimizer
        self._low_precision = precision == "bfloat16"
        self._sorted = SortedByClass()

    def __call__(self, batch: Any) -> Tensor:
        """Forward, loss, backward, step. Raises `UsageError` for a batch that is not (images, targets)."""
        images, targets, mask = self._parts(batch)
        self._sorted.look(targets)
        self._optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._low_precision):
            outputs = self.model(images)
        if self._low_precision and isinstance(outputs, Tensor):
            outputs = outputs.float()
        loss = batch_loss(self._loss, outputs, targets, mask)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()

    def _on_device(self, loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """A loss with class weights must lie where the model does; the user's own object is left alone."""
        if isinstance(loss, nn.Module) and any(b.device != self._device for b in loss.buffers()):
            return copy.deepcopy(loss).to(self._device)
        return loss

    def _parts(self, batch: Any) -> tuple[Any, Any, Tensor | None]:
        if isinstance(batch, Batch):
            mask = None if bool(batch.mask.all()) else batch.mask.to(self._device)
            return _moved(batch.images, self._device), _moved(batch.targets, self._device), mask
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            size = f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
            raise UsageError(
                f"the loader gave a {type(batch).__name__}{size}, not (images, targets)",
                hint="A data set for fit returns two things: the picture's tensor and its target.",
            )
        return _moved(batch[0], self._device), _moved(batch[1], self._device), None


class Rates:
    """An optimizer's learning rates: each group's own, times what the schedule says of the progress."""

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: Schedule | None) -> None:
        self._groups = optimizer.param_groups
        self._own = [group["lr"] for group in self._groups]
        self._schedule = schedule

    def set(self, progress: float) -> None:
        """Set the rates for a progress in [0, 1]; without a schedule they are left alone."""
        if self._schedule is None:
            return
        factor = self._schedule(min(1.0, progress))
        if not math.isfinite(factor):
            raise UsageError(f"the schedule gave {factor} at progress {progress:.3f}")
        self._multiply(factor)

    def restore(self) -> None:
        """Give the user's own rates back, so that fit, called again, starts from them."""
        if self._schedule is not None:
            self._multiply(1.0)

    def now(self) -> float:
        """The first group's rate."""
        return float(self._groups[0]["lr"])

    def _multiply(self, factor: float) -> None:
        for group, rate in zip(self._groups, self._own, strict=True):
            group["lr"] = rate * factor


def _moved(value: Any, device: torch.device) -> Any:
    return value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
