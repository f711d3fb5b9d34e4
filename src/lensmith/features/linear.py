"""A linear head on embeddings: logistic or ridge regression, its strength chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
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
Solution = tuple[Tensor, Tensor]
"""weight [outputs, R] and bias [outputs]"""

_FOLDS = 5
_MANY = 2000
"""From here on, one part of at most this many pictures is held back instead of folds."""


@dataclass(frozen=True)
class LinearHead:
    """outputs = features @ weight.T + bias. weight: float32 [outputs, D]; strength: the penalty chosen.

    unseen: float32 [N, outputs], what heads of this penalty said of rows that they were not fitted to; nan for rows
    that no fold left out.
    """

    weight: Tensor
    bias: Tensor
    strength: float
    reason: str
    unseen: Tensor


def fit_linear(
    features: Features,
    targets: NDArray[np.generic],
    outputs: int,
    task: Task,
    together: NDArray[np.integer[Any]],
    seed: int = 0,
    strength: float | None = None,
    strengths: Sequence[float] = STRENGTHS,
) -> LinearHead:
    """Fit a head, choosing its penalty on pictures that each fit did not see, then on all of them.

    features: [N, D]; targets: class indices [N], 0/1 [N, outputs] or numbers [N]; together: [N], rows with
    the same number are never on both sides of a fold: views of one picture, pictures of one group. strength: a
    penalty that was chosen elsewhere, of which nothing is asked in folds; strengths: the penalties to choose from.
    """
    x = torch.from_numpy(features).to(torch.float32)
    mean, spread = x.mean(0), x.std(0).clamp(min=1e-6)
    y = torch.from_numpy(np.ascontiguousarray(targets))
    y = y.long() if task == "classification" else y.float().reshape(len(x), -1)
    shift, scale = units(y, task)
    if shift is not None:
        y = (y - shift) / scale
    rotated, axes = along_axes((x - mean) / spread)
    how, unseen = "given", torch.full((len(x), outputs), torch.nan)
    if strength is None:
        folds = _folds(torch.from_numpy(together), seed)
        strength, unseen = _choose_strength(rotated, y, (outputs, task), folds, strengths)
        where = f"in {len(folds)} folds" if len(folds) > 1 else "on a part"
        how = f"chosen {where} of the training pictures" if len(strengths) > 1 else how
    weight, bias = solve(rotated, y, outputs, task, strength, 1e-7)
    weight = weight @ axes.T
    if shift is not None:
        weight, bias = weight * scale[:, None], bias * scale + shift
        unseen = unseen * scale + shift
    weight = weight / spread
    return LinearHead(weight, bias - weight @ mean, strength, f"L2 penalty {strength:g}, {how}", unseen)


def along_axes(x: Tensor) -> tuple[Tensor, Tensor]:
    """(x @ axes, axes): [N, R] and [D, R], along the principal axes that the rows span.

    A penalised fit lies in that span, so nothing is lost; few rows make a small problem, and along these axes
    each direction's curvature is known, which saves L-BFGS most of its steps.
    """
    wide = len(x) < x.shape[1]
    squares, axes = torch.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = squares > 1e-6 * squares[-1]
    axes = x.T @ (axes[:, kept] / squares[kept].sqrt()) if wide else axes[:, kept]
    return x @ axes, axes


def _choose_strength(
    x: Tensor, y: Tensor, wanted: tuple[int, Task], folds: list[Tensor], strengths: Sequence[float]
) -> tuple[float, Tensor]:
    """The penalty with the least loss on pictures that a fit did not see, from the strongest down, each fit
    starting from the one before, until the loss has risen; and what those fits said of these pictures.

    wanted: outputs, and what they are for."""
    outputs, task = wanted
    starts: list[Solution | None] = [None] * len(folds)
    parts = [(x[~left_out], y[~left_out], x[left_out], y[left_out]) for left_out in folds]
    best, least, unseen = max(strengths), float("inf"), torch.full((len(x), outputs), torch.nan)
    for strength in sorted(strengths, reverse=True):
        loss, said = 0.0, torch.full_like(unseen, torch.nan)
        for number, (seen, shown, others, truth) in enumerate(parts):
            weight, bias = solve(seen, shown, outputs, task, strength, 1e-6, starts[number])
            starts[number] = (weight, bias)
            said[folds[number]] = others @ weight.T + bias
            loss += float(_loss(said[folds[number]], truth, task)) * len(truth)
        if loss >= least:
            break
        best, least, unseen = strength, loss, said
    return best, unseen


def units(y: Tensor, task: Task) -> tuple[Tensor | None, Tensor]:
    """Numbers are fitted in units of their own spread, so that one row of penalties fits all."""
    if task != "regression":
        return None, torch.ones(1)
    return y.mean(0), y.std(0).clamp(min=1e-6)


def _folds(together: Tensor, seed: int) -> list[Tensor]:
    """For each fold, bool [N]: the rows that are left out of it."""
    different = torch.unique(together)
    order = different[torch.randperm(len(different), generator=torch.Generator().manual_seed(seed))]
    if len(order) > _MANY:
        return [torch.isin(together, order[: min(_MANY, len(order) // 10)])]
    return [torch.isin(together, part) for part in order.tensor_split(min(_FOLDS, len(order)))]


def solve(
    x: Tensor,
    y: Tensor,
    outputs: int,
    task: Task,
    strength: float,
    tolerance: float,
    start: Solution | None = None,
) -> Solution:
    """Minimise mean loss + strength / 2 * |weight|^2 by L-BFGS (Liu and Nocedal, 1989).

    Each direction is measured in units of about its curvature, so that all of them converge alike; tolerance:
    the change of the loss under which a step is the last.
    """
    curvature = {"classification": 0.1, "multilabel": 0.25 / outputs, "regression": 2 / outputs}[task]
    unit = (curvature * x.square().mean(0) + strength).rsqrt()
    weight = torch.zeros(outputs, x.shape[1]) if start is None else start[0] / unit
    bias = torch.zeros(outputs) if start is None else start[1].clone()
    weight.requires_grad_()
    bias.requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=100,
        history_size=10,
        tolerance_change=tolerance,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        optimizer.zero_grad()
        along = weight * unit
        loss = _loss(x @ along.T + bias, y, task) + strength / 2 * along.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return (weight * unit).detach(), bias.detach()


def _loss(outputs: Tensor, targets: Tensor, task: Task) -> Tensor:
    if task == "classification":
        return functional.cross_entropy(outputs, targets)
    if task == "multilabel":
        return functional.binary_cross_entropy_with_logits(outputs, targets)
    return functional.mse_loss(outputs, targets)
