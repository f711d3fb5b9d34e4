"""One update of a network from one batch, and the learning rates that it is made with."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lensmith.errors import MachineError, UsageError
from lensmith.fitting.losses import batch_loss
from lensmith.fitting.order import SortedByClass
from lensmith.fitting.shared import SharedGradient
from lensmith.fitting.weighing import Share
from lensmith.machine.processes import Processes
from lensmith.types import Batch, Schedule

Computed = TypeVar("Computed")


class Update:
    """Called with a batch, it moves the network by one step and returns the loss, a scalar on the device.

    parts: in how many a batch is computed, one after the other, their gradients added: as many more as the memory
    asks for. guarded: a step whose gradient is no number is left out (`was_made` is then False).
    """

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
        self._shared: SharedGradient | None = None
        self.parts = 1
        self.guarded = False
        self.was_made = True

    def share_with(self, processes: Processes) -> None:
        """From now on a batch is a share of one that these processes compute together; the loss is the whole one's.

        Raises `UsageError` for a loss that no shares can be taken of.
        """
        if processes.are_several:
            self._shared = SharedGradient(processes, self.model, self._optimizer, self._loss)

    def __call__(self, batch: Any) -> Tensor:
        """Forward, loss, backward, step. Raises `UsageError` for a batch that is not (images, targets)."""
        images, targets, mask = self._parts(batch)
        self._sorted.look(targets)
        while (loss := self._computed(images, targets, mask)) is None:
            self._halve(images)
        self.was_made = not self.guarded or self._is_finite()
        if self.was_made:
            self._optimizer.step()
        return loss

    def _computed(self, images: Any, targets: Any, mask: Tensor | None) -> Tensor | None:
        """The loss, its gradient being in the parameters; None where the memory was not enough."""
        if self._shared is None:
            return self._tried(lambda: self._gradient(images, targets, mask), images)
        return self._shared.reduce(self._tried(lambda: self._share(images, targets, mask), images))

    def _tried(self, compute: Callable[[], Computed], images: Any) -> Computed | None:
        """What was computed; None where the memory was not enough."""
        try:
            return compute()
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            if not isinstance(images, Tensor) or self.parts >= len(images):
                raise MachineError(
                    f"the memory is not enough for a batch, in {self.parts} part(s) ({str(error).splitlines()[0]})",
                    hint="A smaller batch_size, image_size or model needs less.",
                ) from None
            return None  # the error holds all that was computed, and goes before the next try

    def _gradient(self, images: Any, targets: Any, mask: Tensor | None) -> Tensor:
        """Leave the gradient of the batch's mean loss in the parameters; returns that loss."""
        self._optimizer.zero_grad(set_to_none=True)
        if self.parts == 1:
            return self._backward(images, targets, mask, 1.0)
        losses = [self._backward(*part) for part in _split(images, targets, mask, self.parts)]
        return torch.stack(losses).sum()

    def _share(self, images: Any, targets: Any, mask: Tensor | None) -> Share:
        """What of a batch's loss this process's pictures make, its gradient being in the parameters."""
        assert self._shared is not None
        self._optimizer.zero_grad(set_to_none=True)
        share = Share()
        for *part, _ in _split(images, targets, mask, self.parts):
            one = self._shared.weigh(self._outputs(part[0]), *part[1:])
            one.loss.backward()  # type: ignore[no-untyped-call]
            share += one
        return share

    def _backward(self, images: Any, targets: Any, mask: Tensor | None, share: float) -> Tensor:
        loss = batch_loss(self._loss, self._outputs(images), targets, mask)
        if share != 1:
            loss = loss * share
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _outputs(self, images: Any) -> Any:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._low_precision):
            outputs = self.model(images)
        return outputs.float() if self._low_precision and isinstance(outputs, Tensor) else outputs

    def _is_finite(self) -> bool:
        found = [
            p.grad for group in self._optimizer.param_groups for p in group["params"] if p.grad is not None
        ]
        return not found or bool(torch.nn.utils.get_total_norm(found).isfinite())

    def _halve(self, images: Tensor) -> None:
        """Twice as many parts from now on."""
        self.parts = 2 * self.parts if self._shared else min(2 * self.parts, len(images))
        self._optimizer.zero_grad(set_to_none=True)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

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


def _split(
    images: Tensor, targets: Any, mask: Tensor | None, parts: int
) -> Iterator[tuple[Tensor, Any, Tensor | None, float]]:
    """The parts of a batch, each with its share of the pictures that count."""
    count = len(images) if mask is None else int(mask.sum())
    ends = [round(len(images) * part / parts) for part in range(parts + 1)]
    for start, end in itertools.pairwise(ends):
        real = end - start if mask is None else int(mask[start:end].sum())
        if real:
            part = None if mask is None else mask[start:end]
            yield images[start:end], targets[start:end], part, real / max(1, count)


def _is_out_of_memory(error: RuntimeError) -> bool:
    """CUDA has a class for it; on the CPU, the words are all that there is."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


class Rates:
    """An optimizer's learning rates: each group's own, times what the schedule says of the progress."""

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: Schedule | None) -> None:
        self._optimizer = optimizer
        self._own = [group["lr"] for group in optimizer.param_groups]
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
        return float(self._optimizer.param_groups[0]["lr"])

    def _multiply(self, factor: float) -> None:
        # A state that is put back brings groups of its own, so they are looked up each time.
        for group, rate in zip(self._optimizer.param_groups, self._own, strict=True):
            group["lr"] = rate * factor


def _moved(value: Any, device: torch.device) -> Any:
    return value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
