"""Rows of the last layer for classes that a model did not know which a training goes on from."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lensmith.features.new_rows import fit_new_rows
from lensmith.models.heads import find_head
from lensmith.training.prepare import Prepared
from lensmith.training.transfer import see
from lensmith.types import Event


def learn_new_classes(
    prepared: Prepared, left_out: NDArray[np.bool_] | None = None
) -> Generator[Event, None, None]:
    """Fit the rows of new classes to features, the others standing as they are, before all layers go on.

    A class then has a place from the first step on, and the first steps do not tear at the layers below for it. Where
    pictures lie otherwise than as they will be measured, or the last layer is no `Linear`, its rows stay the mean of
    the others. left_out: bool [N], pictures that it must not know.
    """
    taken, recipe = prepared.taken, prepared.plan.recipe
    if taken is None or not taken.new or recipe.task not in ("classification", "multilabel"):
        return
    _, head = find_head(prepared.model)
    if not isinstance(head, nn.Linear) or prepared.column.pixels.shape[1:3] != prepared.preprocess.size:
        return
    seen = yield from see(prepared)
    rows = slice(None) if left_out is None else ~left_out[seen.pictures]
    new = [prepared.roles.train.classes.index(name) for name in taken.new]
    bias = torch.zeros(head.out_features) if head.bias is None else head.bias
    weight, offsets = fit_new_rows(
        seen.features[rows], seen.targets[rows], head.weight, bias, new, recipe.task
    )
    with torch.no_grad():
        head.weight.copy_(weight)
        if head.bias is not None:
            head.bias.copy_(offsets)
