"""The last layer first, on features; then all layers go on from there, where that is better on left-out pictures."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Generator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from lensmith.evaluation.calibration import Unseen
from lensmith.models.heads import find_head
from lensmith.runs.directory import RunDirectory
from lensmith.training.epochs import Trained, chooser, is_better, outputs_on, train_epochs
from lensmith.training.held_back import hold_back, said_of_choices
from lensmith.training.learned import HEAD_ALONE, Learned, with_apart
from lensmith.training.prepare import Prepared
from lensmith.training.transfer import Seen, out_of_fold, put_head, see
from lensmith.types import Event

_LEAST_PASSES = 1.0
"""On 5,000 pictures one pass is worth six points more than the head alone."""
_CLEAR = 1.0
"""Standard deviations of the difference by which the head alone has to be right more often: a difference of
some points on a few dozen pictures is chance, and all layers learn more often than they lose."""


def can_fine_tune(prepared: Prepared) -> bool:
    """Whether there are trained weights, a last layer to fit, and pictures as measuring will show them."""
    recipe = prepared.plan.recipe
    if not recipe.pretrained or recipe.freeze or recipe.from_run:  # what goes on has its last layer
        return False
    same = prepared.column.pixels.shape[1:3] == prepared.preprocess.size
    return same and isinstance(find_head(prepared.model)[1], nn.Linear)


def fine_tune(prepared: Prepared, run: RunDirectory) -> Generator[Event, None, Learned]:
    """Fit the head, then train all layers from there (Kumar et al., arXiv 2202.10054); keep what is better.

    Better is what does better on the pictures for choices: val where there is one, else a part of the training
    pictures, held back by the recipe's `choice_fraction`; of classes, what is not clearly worse. With neither,
    nothing is compared.
    """
    recipe = prepared.plan.recipe
    seen = yield from see(prepared)
    passes = _passes_left(prepared)
    if passes < _LEAST_PASSES and recipe.budget is not None:
        why = f"no: {passes:.2f} passes fit into the budget, and from {_LEAST_PASSES:g} on they pay"
        untried = replace(HEAD_ALONE, untried=True)
        return replace((yield from _head_alone(prepared, seen, why, untried)), seen=seen)
    part, left_out = yield from hold_back(prepared)
    head = put_head(prepared, seen, left_out)
    measure = chooser(part)
    alone, right_before = measure(), _right(part)
    yield Event("train", f"a linear last layer on features first; {head.reason}{_figures(alone)}")
    start = copy.deepcopy(prepared.model.state_dict())
    trained = yield from train_epochs(part, run)
    tuned = measure()
    if not alone:
        why = f"yes: {passes:g} passes were asked for, and no pictures were held back to compare"
        yield Event("train", f"fine-tuning: {why}")
        return _learned(trained, why, None)
    name, before, after = next(iter(alone)), *alone.values(), *tuned.values()
    where = f"on the {_count(part):,} pictures {'held back' if left_out is not None else 'of val'}"
    why = f"{_words(name)} {after:.4f} {where}, {before:.4f} with the last layer alone"
    kept = is_better(tuned, alone)
    if not kept and right_before is not None and not _is_clearly_worse(_right(part), right_before):
        kept, why = True, f"{why}, which is no clear loss"
    if kept:
        yield Event("train", f"fine-tuning: yes: {why}")
        learned = _learned(trained, f"yes: {why}", said_of_choices(part, left_out))
        return with_apart(learned, part, left_out)
    prepared.model.load_state_dict(start)
    undone = replace(trained, kept=HEAD_ALONE.kept)
    return (yield from _head_alone(prepared, seen, f"no: {why}", undone))


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


def _passes_left(prepared: Prepared) -> float:
    """Of those that were planned, what looking at all pictures has left time for."""
    passes = prepared.plan.recipe.epochs or 0.0
    if prepared.ends is None:
        return passes
    return passes * max(0.0, prepared.ends - time.perf_counter()) / prepared.seconds


def _learned(trained: Trained, why: str, unseen: Unseen | None) -> Learned:
    return Learned(trained, {"fine-tuning": why, "keep": trained.kept}, unseen)


def _head_alone(
    prepared: Prepared, seen: Seen, why: str, trained: Trained
) -> Generator[Event, None, Learned]:
    """A head that knows all training pictures."""
    head = put_head(prepared, seen)
    yield Event("train", f"a linear last layer alone; {head.reason}; fine-tuning: {why}")
    return _learned(trained, why, out_of_fold(head, seen))


def _count(part: Prepared) -> int:
    return 0 if part.choice is None else len(part.choice.rows)


def _figures(figures: dict[str, float]) -> str:
    return "".join(f"; {_words(name)} {value:.4f}" for name, value in figures.items())


def _words(name: str) -> str:
    return name.removeprefix("val_").replace("_", " ")
