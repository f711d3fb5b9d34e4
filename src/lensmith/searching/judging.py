"""What is said of a trial's pictures, as the figure that trials are compared by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.data.dataset import ImageDataset
from lensmith.errors import DataError
from lensmith.evaluation.metrics import measure
from lensmith.types import Task

FIGURES: dict[Task, str] = {"classification": "accuracy", "multilabel": "mean_ap", "regression": "mae"}
LOWER_IS_BETTER = ("mae",)
_LOSSES = ("log_loss", "rmse")
"""Figures that part two trials which are right equally often."""


@dataclass(frozen=True)
class Answers:
    """What a model said of pictures that it did not learn from. outputs: [n, outputs]; targets: as `measure` takes
    them; classes: what the outputs are called."""

    outputs: NDArray[np.float32]
    targets: NDArray[Any]
    classes: list[str]
    task: Task


@dataclass(frozen=True)
class Judged:
    """How a recipe did. value: its figure; loss: lower is better, among equals; seconds: that it took; anew: that it
    would take alone, with nothing there already."""

    value: float
    loss: float | None
    seconds: float
    anew: float


def answers_of(outputs: NDArray[np.float32], targets: NDArray[Any], data: ImageDataset) -> Answers:
    """data: gives the names and the task."""
    flat = targets.reshape(len(targets)) if data.task == "regression" else targets
    return Answers(outputs, flat, data.classes, data.task)


def judge(answers: Answers, seconds: float, anew: float) -> Judged:
    """The figure of some answers. Raises `DataError` where they are not finite, or have no figure."""
    report = measure(answers.outputs, answers.targets, answers.classes, answers.task)
    loss = next((report.values[name].value for name in _LOSSES if name in report.values), None)
    figure = FIGURES[answers.task]
    if not math.isfinite(report[figure].value):
        name, count = figure.replace("_", " "), len(answers.targets)
        raise DataError(
            f"there is no {name} of the {count:,} pictures that trials are judged on",
            hint="Each label has to be shown by some of them: more pictures are needed.",
        )
    return Judged(report[figure].value, loss, seconds, anew)
