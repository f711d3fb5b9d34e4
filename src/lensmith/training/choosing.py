"""Choosing on pictures that nothing is learned from: how the network does on them, and its best epoch."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lensmith.batches.batches import laid_out, normalised
from lensmith.data.dataset import ImageDataset
from lensmith.data.target_array import target_array
from lensmith.evaluation.evaluate import gather
from lensmith.evaluation.metrics import measure
from lensmith.fitting.fit import Epoch
from lensmith.store.store import Column
from lensmith.training.prepare import Prepared
from lensmith.types import Batch

_BATCH, _SIDE = 256, 64
"""Pictures measured together, of that side; of larger ones fewer, since their maps fill the memory."""
_LOWER_IS_BETTER = {"mae"}


class Best:
    """The best epoch so far by the split that choices are made on; without one, nothing is kept back.

    patience: epochs without a better one after which there is no sense in going on; 0 for as many as there are.
    """

    def __init__(self, patience: int = 0) -> None:
        self.epoch = 0
        self.risen = 0
        self.score = -math.inf
        self.state: dict[str, Tensor] | None = None
        self._patience = patience

    def look(self, epoch: Epoch, figures: dict[str, float], model: nn.Module) -> None:
        """Keep a copy of the weights where this epoch is better than all before it."""
        if not figures:
            return
        score = _score(figures)
        if score > self.score:
            self.risen = epoch.index
        if score >= self.score:  # of equals the later has seen more
            self.epoch, self.score = epoch.index, score
            self.state = copy.deepcopy(model.state_dict())

    def is_over(self, epoch: Epoch) -> bool:
        """Whether patience has run out after this epoch."""
        return bool(self._patience and self.risen and epoch.index - self.risen >= self._patience)

    def put_back(self, model: nn.Module) -> str:
        """Give the network the best weights; says which they are."""
        if self.state is None:
            return "the last epoch: no split was set apart to choose on"
        model.load_state_dict(self.state)
        return f"epoch {self.epoch}, the best on val"

    def as_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"epoch": self.epoch, "risen": self.risen, "score": self.score, "state": self.state}

    def take(self, kept: dict[str, Any]) -> None:
        """As it was."""
        self.epoch, self.risen, self.score = kept["epoch"], kept["risen"], kept["score"]
        self.state = kept["state"]


def is_better(figures: dict[str, float], than: dict[str, float]) -> bool:
    """Whether a network that was measured twice by the same `chooser` does better the first time."""
    return _score(figures) > _score(than)


def _score(figures: dict[str, float]) -> float:
    """What is better is higher."""
    name = next(iter(figures))
    return -figures[name] if name.removeprefix("val_") in _LOWER_IS_BETTER else figures[name]


def chooser(prepared: Prepared) -> Callable[[], dict[str, float]]:
    """A function that measures the network as it is on the split for choices; {} where there is none."""
    choice, column = prepared.roles.choice, prepared.choice
    if choice is None or column is None:
        return dict
    used = column.matching(choice)

    def figures() -> dict[str, float]:
        outputs, found = outputs_on(prepared, column, used)
        if used.task == "regression":
            found = found[:, 0]
        report = measure(outputs, found, used.classes, used.task)
        return {f"val_{report.main}": report[report.main].value}

    return figures


def outputs_on(
    prepared: Prepared, column: Column, data: ImageDataset
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """What the network, as it is, says of prepared pictures: outputs [N, ...] and targets. data: of the column."""
    recipe = prepared.plan.recipe
    targets = torch.from_numpy(target_array(data))
    pixels = torch.from_numpy(column.pixels)
    size = max(16, min(_BATCH, _BATCH * _SIDE**2 // (pixels.shape[1] * pixels.shape[2])))

    starts = range(0, len(pixels), size)
    own = [number for number in range(len(starts)) if prepared.processes.deals(number)]

    def batches() -> Iterator[Batch]:
        for start in (starts[number] for number in own):
            images = normalised(pixels[start : start + size].to(recipe.device), prepared.preprocess)
            images = laid_out(images, recipe.layout)
            part = targets[start : start + size]
            yield Batch(images, part, torch.ones(len(part), dtype=torch.bool))

    if not prepared.processes.are_several:
        return gather(prepared.model, batches())
    outputs = gather(prepared.model, batches())[0] if own else np.empty(0, np.float32)
    parts = np.split(outputs, range(size, len(outputs), size)) if own else []
    found = prepared.processes.gathered(dict(zip(own, parts, strict=True)))
    return np.concatenate(found), targets.numpy()
