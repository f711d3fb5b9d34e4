"""Optimizers by name, and schedules as functions of progress."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from lensmith.errors import UsageError
from lensmith.fitting.muon import Muon
from lensmith.runs.recipe import Recipe
from lensmith.types import Schedule


def make_optimizer(
    model: nn.Module,
    recipe: Recipe,
    own: torch.optim.Optimizer | Callable[..., torch.optim.Optimizer] | None = None,
) -> torch.optim.Optimizer:
    """Muon, SGD (Nesterov), Adam or AdamW; weight decay on filters and matrices, none on biases and norms.

    own: a user's optimizer as it is, or what makes one of parameters.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    if own is not None:
        optimizer = own if isinstance(own, torch.optim.Optimizer) else own(trained)
        if recipe.lr not in (None, optimizer.param_groups[0]["lr"]):
            raise UsageError(
                f"lr={recipe.lr}, and the optimizer that was given has {optimizer.param_groups[0]['lr']}"
            )
        return optimizer
    assert recipe.lr is not None and recipe.batch_size is not None
    if recipe.optimizer == "muon":
        return Muon(model, recipe.lr, recipe.batch_size)
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, lr=recipe.lr)
    return torch.optim.AdamW(groups, lr=recipe.lr)


def constant(progress: float) -> float:
    """The rate as it is."""
    return 1.0


def linear(progress: float) -> float:
    """From 1 to 0 along a line."""
    return 1.0 - progress


def step(progress: float) -> float:
    """A tenth after half of the run, a hundredth after three quarters."""
    return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01


def cosine(progress: float) -> float:
    """From 1 to 0 along half a cosine (Loshchilov and Hutter, arXiv 1608.03983)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def onecycle(progress: float, peak: float = 0.25) -> float:
    """Up to 1 in the first quarter, then down to 0 (after Smith and Topin, arXiv 1708.07120)."""
    if progress < peak:
        return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * progress / peak))
    return 0.5 * (1 + math.cos(math.pi * (progress - peak) / (1 - peak)))


def warmed_up(schedule: Schedule, share: float) -> Schedule:
    """The same schedule, rising from 0 over the first `share` of the run."""
    if not share:
        return schedule
    return lambda progress: schedule(progress) * min(1.0, (progress + 1e-3) / share)


SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "linear": linear,
    "step": step,
    "cosine": cosine,
    "onecycle": onecycle,
    "plateau": constant,  # its drops come from the losses of whole epochs
}
