"""A linear head on embeddings: logistic or ridge regression, its strength chosen by cross-validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lensmith.features.embed import Features
from lensmith.types import Task

STRENGTHS = (1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
"""L2 penalties tried, for standardised features."""
_FOLDS = 5
_MANY = 2000
"""From here on, one part of at most this many pictures is held back instead of folds."""


@dataclass(frozen=True)
class LinearHead:
    """outputs = features @ weight.T + bias. weight: float32 [outputs, D]; strength: the penalty chosen."""

    weight: Tensor
    bias: Tensor
    strength: float
    reason: str


def fit_linear(
    features: Features,
    targets: NDArray[np.generic],
    outputs: int,
    task: Task,
    pictures: NDArray[np.integer[Any]],
    seed: int = 0,
) -> LinearHead:
    """Fit a head, choosing its penalty on pictures that each fit did not see, then on all of them.

    features: [N, D]; targets: class indices [N], 0/1 [N, outputs] or numbers [N]; pictures: [N], which
    picture each row is a view of (views of one are never on both sides of a fold).
    """
    x = torch.from_numpy(features).to(torch.float32)
    mean, spread = x.mean(0), x.std(0).clamp(min=1e-6)
    x = (x - mean) / spread
    y = torch.from_numpy(np.ascontiguousarray(targets))
    y = y.long() if task == "classification" else y.float().reshape(len(x), -1)
    shift, scale = _units(y, task)
    if shift is not None:
        y = (y - shift) / scale
    folds = _folds(torch.from_numpy(pictures), seed)
    losses = {s: _left_out_loss(x, y, outputs, task, s, folds) for s in STRENGTHS}
    strength = min(losses, key=lambda s: losses[s])
    weight, bias = _solve(x, y, outputs, task, strength)
    if shift is not None:
        weight, bias = weight * scale[:, None], bias * scale + shift
    weight = weight / spread
    how = f"in {len(folds)} folds" if len(folds) > 1 else "on a part"
    how += " of the training pictures"
    return LinearHead(weight, bias - weight @ mean, strength, f"L2 penalty {strength:g}, chosen {how}")


def _units(y: Tensor, task: Task) -> tuple[Tensor | None, Tensor]:
    """Numbers are fitted in units of their own spread, so that one row of penalties fits all."""
    if task != "regression":
        return None, torch.ones(1)
    return y.mean(0), y.std(0).clamp(min=1e-6)


def _folds(pictures: Tensor, seed: int) -> list[Tensor]:
    """For each fold, bool [N]: the rows that are left out of it."""
    different = torch.unique(pictures)
    order = different[torch.randperm(len(different), generator=torch.Generator().manual_seed(seed))]
    if len(order) > _MANY:
        return [torch.isin(pictures, order[: min(_MANY, len(order) // 10)])]
    return [torch.isin(pictures, part) for part in order.tensor_split(min(_FOLDS, len(order)))]


def _left_out_loss(
    x: Tensor, y: Tensor, outputs: int, task: Task, strength: float, folds: list[Tensor]
) -> float:
    """Mean loss on pictures that the fit did not see."""
    total = 0.0
    for left_out in folds:
        weight, bias = _solve(x[~left_out], y[~left_out], outputs, task, strength)
        total += float(_loss(x[left_out] @ weight.T + bias, y[left_out], task)) * int(left_out.sum())
    return total


def _solve(x: Tensor, y: Tensor, outputs: int, task: Task, strength: float) -> tuple[Tensor, Tensor]:
    """Minimise mean loss + strength / 2 * |weight|^2 by L-BFGS (Liu and Nocedal, 1989)."""
    weight = torch.zeros(outputs, x.shape[1], requires_grad=True)
    bias = torch.zeros(outputs, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=100, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        optimizer.zero_grad()
        loss = _loss(x @ weight.T + bias, y, task) + strength / 2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def _loss(outputs: Tensor, targets: Tensor, task: Task) -> Tensor:
    if task == "classification":
        return functional.cross_entropy(outputs, targets)
    if task == "multilabel":
        return functional.binary_cross_entropy_with_logits(outputs, targets)
    return functional.mse_loss(outputs, targets)
