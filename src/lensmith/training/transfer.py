"""A linear head on the features of a network that stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np
import torch
from torch import Tensor, nn

from lensmith.data.batches import laid_out
from lensmith.errors import UsageError
from lensmith.features.embed import embed
from lensmith.features.linear import LinearHead, fit_linear
from lensmith.models.heads import find_head
from lensmith.training.prepare import Prepared
from lensmith.types import Event


def fit_head(prepared: Prepared) -> Generator[Event, None, LinearHead]:
    """Features of every training picture once (mirrored too, where that keeps its meaning), then the head."""
    recipe, model = prepared.plan.recipe, prepared.model
    assert recipe.task and recipe.device
    name, head = find_head(model)
    if not isinstance(head, nn.Linear):
        raise UsageError(
            f"the last layer of {recipe.model}, {name}, is no Linear", hint="Say freeze=false to train it."
        )
    model.eval()
    pixels, targets = prepared.column.pixels, prepared.batches.targets.cpu().numpy()
    below = _below(model, head, recipe.layout)
    found = yield from embed(below, pixels, prepared.preprocess, device=recipe.device)
    pictures = np.arange(len(found))
    if recipe.flip:
        mirrored = np.ascontiguousarray(pixels[:, :, ::-1])
        again = yield from embed(below, mirrored, prepared.preprocess, device=recipe.device)
        found, targets = np.concatenate([found, again]), np.concatenate([targets, targets])
        pictures = np.concatenate([pictures, pictures])
    fitted = fit_linear(found, targets, head.out_features, recipe.task, pictures, recipe.seed)
    with torch.no_grad():
        head.weight.copy_(fitted.weight)
        head.bias.copy_(fitted.bias)
    return fitted


def _below(model: nn.Module, head: nn.Linear, layout: str | None) -> Callable[[Tensor], Tensor]:
    """What goes into the head, for whatever network it is the last layer of."""

    def features(images: Tensor) -> Tensor:
        seen: list[Tensor] = []
        hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            model(laid_out(images, layout))
        finally:
            hook.remove()
        return seen[0].flatten(1)

    return features
