"""A loss of any kind -> one number for a batch, as PyTorch would take it, or refused with both shapes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lensmith.errors import UsageError
from lensmith.runs.recipe import OF_A_BATCH, Recipe


def batch_loss(
    loss: Callable[..., Tensor], outputs: Tensor, targets: Any, mask: Tensor | None = None
) -> Tensor:
    """The mean loss of a batch, a scalar.

    `loss(outputs, targets)` gives one number per picture, [N], which is averaged, or a scalar, taken as the
    batch's own mean; it sees the real rows alone (`mask`). Raises `UsageError` where shapes would broadcast
    silently.
    """
    value = loss_value(loss, outputs, targets, mask)
    return value.mean() if value.ndim else value


def loss_value(
    loss: Callable[..., Tensor], outputs: Tensor, targets: Any, mask: Tensor | None = None
) -> Tensor:
    """What a loss gives for the real rows: one number for each, [N], or one for all. Raises as `batch_loss`."""
    _refuse_mismatch(outputs, targets)
    if mask is not None:
        outputs, targets = outputs[mask], targets[mask]
    value = loss(outputs, targets)
    if not isinstance(value, Tensor):
        raise UsageError(f"the loss gave a {type(value).__name__}, not a tensor")
    if value.ndim == 0 or (value.ndim == 1 and len(value) == len(outputs)):
        return value
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


def require_soft_targets(recipe: Recipe, own: Callable[..., Tensor] | None, classes: int) -> None:
    """Raise `UsageError` where mixed pictures have targets that a user's own loss cannot take.

    Of two mixed pictures the target is a share of each class, float [N, classes], not a class index.
    """
    mixing = recipe.asked(OF_A_BATCH)
    if not mixing or own is None or recipe.task != "classification":
        return
    place = next((b.device for b in own.buffers()), None) if isinstance(own, nn.Module) else None
    # Not two rows: among two classes, a loss that takes them for indices would find as many as it has pictures.
    soft = torch.full((classes + 1, classes), 1 / classes, device=place)
    try:
        batch_loss(copy.deepcopy(own), torch.zeros_like(soft), soft)
    except Exception as error:
        raise UsageError(
            f"{mixing} mixes targets, and the loss does not take shares of classes, float [N, {classes}] "
            f"({type(error).__name__}: {error})",
            hint="torch.nn.CrossEntropyLoss takes them as well as indices. Or leave the mixing out.",
        ) from error


class InUnits(nn.Module):
    """A loss of numbers, taken in units of the targets' own spread: one learning rate then fits all scales."""

    def __init__(self, loss: nn.Module, unit: float) -> None:
        super().__init__()
        self.loss, self.unit = loss, unit

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of both, divided by the unit."""
        value: Tensor = self.loss(outputs / self.unit, targets / self.unit)
        return value


def make_loss(recipe: Recipe, targets: Tensor) -> nn.Module:
    """The loss that a recipe names. targets: all of the training's, whose spread regression is measured in."""
    if recipe.loss == "cross_entropy":
        return nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    if recipe.loss == "binary_cross_entropy":
        return nn.BCEWithLogitsLoss()
    unit = float(targets.float().std()) if len(targets) > 1 else 1.0
    return InUnits(nn.L1Loss() if recipe.loss == "l1" else nn.MSELoss(), unit or 1.0)
