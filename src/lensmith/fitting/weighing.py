"""Losses that are added up over the shares of a batch: what each share comes to, and what the sum is divided by."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lensmith.errors import UsageError
from lensmith.fitting.losses import InUnits, loss_value

_BY_ELEMENT = (nn.L1Loss, nn.MSELoss, nn.SmoothL1Loss, nn.HuberLoss, nn.BCELoss, nn.BCEWithLogitsLoss)
_BY_CLASS = (nn.CrossEntropyLoss, nn.NLLLoss)


@dataclass
class Share:
    """Of a batch, what some of its pictures make. loss: a scalar, the sum of theirs; weight: what the sum over all
    is divided by; rows: how many pictures count."""

    loss: Tensor = field(default_factory=lambda: torch.zeros(()))
    weight: Tensor | float = 0.0
    rows: int = 0

    def __add__(self, other: Share) -> Share:
        """Both together; what their losses were computed by is let go of."""
        loss = self.loss.to(other.loss.device) + other.loss.detach()
        return Share(loss, self.weight + other.weight, self.rows + other.rows)


class Weighing:
    """A user's loss, of which shares can be added up.

    One number per picture is summed. A mean of torch's own losses becomes their sum, and what it would have been
    divided by (with class weights, the sum of theirs). Another single number is taken as the mean of its pictures,
    which is exact where all shares are of one size: `needs_even` then says so.
    """

    def __init__(self, loss: Callable[..., Tensor]) -> None:
        inner = loss.loss if isinstance(loss, InUnits) else loss
        if getattr(inner, "reduction", None) == "sum":
            raise UsageError(
                f"{type(inner).__name__}(reduction='sum') grows with the batch, and processes take shares of it",
                hint="Use reduction='mean', or 'none'.",
            )
        is_mean = isinstance(inner, (*_BY_ELEMENT, *_BY_CLASS)) and inner.reduction == "mean"
        self._of_torch = inner if is_mean else None
        self._loss = _summing(loss) if is_mean else loss
        self.needs_even = False

    def __call__(self, outputs: Any, targets: Any, mask: Tensor | None) -> Share:
        """Of some pictures. Raises `UsageError` as `batch_loss`."""
        value = loss_value(self._loss, outputs, targets, mask)
        targets = targets if mask is None else targets[mask]
        rows = len(targets) if mask is None else int(mask.sum())
        if value.ndim:
            return Share(value.sum(), float(rows), rows)
        if self._of_torch is not None:
            return Share(value, _divisor(self._of_torch, outputs, targets, rows), rows)
        self.needs_even = True
        return Share(value * rows, float(rows), rows)


def _summing(loss: Any) -> Any:
    """A copy that gives the sum."""
    if isinstance(loss, InUnits):
        return InUnits(_summing(loss.loss), loss.unit)
    summed = copy.copy(loss)
    summed.reduction = "sum"
    return summed


def _divisor(loss: Any, outputs: Tensor, targets: Tensor, rows: int) -> Tensor | float:
    """What torch divides the sum by to make it a mean."""
    if isinstance(loss, _BY_ELEMENT):
        return rows * outputs[0].numel()
    if targets.is_floating_point():  # shares of classes
        return rows * outputs[0, 0].numel()
    counted: Tensor = targets != loss.ignore_index
    if loss.weight is None:
        return counted.sum()
    weights: Tensor = loss.weight[targets.where(counted, 0)] * counted
    return weights.sum()
