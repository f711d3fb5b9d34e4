"""Passes that have to pay: a trained network before and after them, on pictures it does not learn from."""

from __future__ import annotations

import copy
import math
from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lensmith.runs.directory import RunDirectory
from lensmith.training.choosing import chooser, is_better, outputs_on
from lensmith.training.epochs import Trained, train_epochs
from lensmith.training.prepare import Prepared
from lensmith.types import Event

_CLEAR = 1.0
"""Standard deviations of the difference by which the network before has to be right more often: a difference of
some points on a few dozen pictures is chance, and all layers learn more often than they lose."""


@dataclass(frozen=True)
class Compared:
    """How the passes ended. kept: whether their weights are; None where there were no pictures to compare on, and
    they are. why: in words."""

    trained: Trained
    kept: bool | None
    why: str


def train_if_better(
    part: Prepared, run: RunDirectory, left_out: NDArray[np.bool_] | None, before: str
) -> Generator[Event, None, Compared]:
    """Train all layers; put the weights back where what was there did better on the pictures for choices.

    Of classes, better is what is not clearly worse. before: what the network is now, such as "with the last layer
    alone".
    """
    measure = chooser(part)
    found, right = measure(), _right(part)
    start = copy.deepcopy(part.model.state_dict())
    trained = yield from train_epochs(part, run)
    if not found:
        passes = part.plan.recipe.epochs or 0.0
        why = f"{passes:g} passes were asked for, and no pictures were held back to compare"
        return Compared(trained, None, why)
    after = measure()
    where = f"on the {_count(part):,} pictures {'held back' if left_out is not None else 'of val'}"
    (name, value), (was,) = next(iter(after.items())), found.values()
    why = f"{figure_words(name)} {value:.4f} {where}, {was:.4f} {before}"
    if is_better(after, found):
        return Compared(trained, True, why)
    if right is not None and not _is_clearly_worse(_right(part), right):
        return Compared(trained, True, f"{why}, which is no clear loss")
    part.model.load_state_dict(start)
    return Compared(replace(trained, kept=f"those {before}"), False, why)


def figure_words(name: str) -> str:
    """`val_average_precision` as it is read."""
    return name.removeprefix("val_").replace("_", " ")


def _right(part: Prepared) -> NDArray[np.bool_] | None:
    """bool [n]: which of the pictures for choices are answered rightly now; of classes alone."""
    choice, column = part.roles.choice, part.choice
    if choice is None or column is None or choice.task != "classification":
        return None
    outputs, targets = outputs_on(part, column, column.matching(choice))
    right: NDArray[np.bool_] = outputs.argmax(1) == targets
    return right


def _is_clearly_worse(after: NDArray[np.bool_] | None, before: NDArray[np.bool_]) -> bool:
    if after is None:
        return False
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    return lost - gained > _CLEAR * math.sqrt(lost + gained)


def _count(part: Prepared) -> int:
    return 0 if part.choice is None else len(part.choice.rows)
