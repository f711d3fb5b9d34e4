"""A loss of any kind -> one number for a batch, as PyTorch would take it, or refused with both shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lensmith.errors import UsageError


def batch_loss(
    loss: Callable[..., Tensor], outputs: Tensor, targets: Any, mask: Tensor | None = None
) -> Tensor:
    """The mean loss of a batch, a scalar.

    `loss(outputs, targets)` gives one number per picture, [N], which is averaged, or a scalar, taken as the
    batch's own mean; it sees the real rows alone (`mask`). Raises `UsageError` where shapes would broadcast
    silently.
    """
    _refuse_mismatch(outputs, targets)
    if mask is not None:
        outputs, targets = outputs[mask], targets[mask]
    value = loss(outputs, targets)
    if not isinstance(value, Tensor):
        raise UsageError(f"the loss gave a {type(value).__name__}, not a tensor")
    if value.ndim == 0:
        return value
    if value.ndim == 1 and len(value) == len(outputs):
        return value.mean()
    raise UsageError(
        f"the loss gave {list(value.shape)} for {len(outputs)} pictures",
        hint=f"Return one number per picture, [{len(outputs)}], or their mean.",
    )


def _refuse_mismatch(outputs: Any, targets: Any) -> None:
    if not isinstance(outputs, Tensor) or not isinstance(targets, Tensor):
        return  # an own model and loss that speak in tuples or dictionaries know what they do
    if outputs.ndim and targets.ndim and len(outputs) != len(targets):
        raise UsageError(
            f"the model gives {len(outputs)} rows for {len(targets)} pictures",
            hint="Your net mixes the pictures of a batch; use flatten(1), which keeps the first dimension.",
        )
    if not targets.is_floating_point() or outputs.shape == targets.shape:
        return
    try:
        torch.broadcast_shapes(outputs.shape, targets.shape)  # type: ignore[no-untyped-call]
    except RuntimeError:
        return  # the loss itself will refuse
    raise UsageError(
        f"outputs are {list(outputs.shape)} and targets {list(targets.shape)}: they would broadcast",
        hint=f"Make them the same shape: outputs.squeeze(1) or targets.reshape({list(outputs.shape)}).",
    )
