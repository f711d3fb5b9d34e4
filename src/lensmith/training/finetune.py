"""The last layer first, on features; then all layers go on from there, where that is better on left-out pictures."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lensmith.models.heads import find_head
from lensmith.runs.directory import RunDirectory
from lensmith.store.store import Column
from lensmith.training.epochs import Trained, chooser, is_better, outputs_on, train_epochs
from lensmith.training.prepare import Prepared
from lensmith.training.transfer import Seen, put_head, see
from lensmith.types import Event

_LEAST_PASSES = 1.0
"""On 5,000 pictures one pass is worth six points more than the head alone."""
_MOST_HELD_BACK = 2000
_CLEAR = 1.0
"""Standard deviations of the difference by which the head alone has to be right more often: a difference of
some points on a few dozen pictures is chance, and all layers learn more often than they lose."""

HEAD_ALONE = Trained("the last layer, fitted to features", [])


@dataclass(frozen=True)
class Tuned:
    """What was kept, and why the fine-tuning was or was not, in words.

    seen: the features, where the last layer alone was trained, without a try.
    """

    trained: Trained
    why: str
    seen: Seen | None = None


def can_fine_tune(prepared: Prepared) -> bool:
    """Whether there are trained weights, a last layer to fit, and pictures as measuring will show them."""
    recipe = prepared.plan.recipe
    if not recipe.pretrained or recipe.freeze:
        return False
    same = prepared.column.pixels.shape[1:3] == prepared.preprocess.size
    return same and isinstance(find_head(prepared.model)[1], nn.Linear)


def fine_tune(prepared: Prepared, run: RunDirectory) -> Generator[Event, None, Tuned]:
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
        yield _head_alone(prepared, seen, why)
        return Tuned(HEAD_ALONE, why, seen)
    part, left_out = _apart(prepared)
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
        return Tuned(trained, why)
    name, before, after = next(iter(alone)), *alone.values(), *tuned.values()
    where = f"on the {_count(part):,} pictures {'held back' if left_out is not None else 'of val'}"
    why = f"{_words(name)} {after:.4f} {where}, {before:.4f} with the last layer alone"
    kept = is_better(tuned, alone)
    if not kept and right_before is not None and not _is_clearly_worse(_right(part), right_before):
        kept, why = True, f"{why}, which is no clear loss"
    if kept:
        yield Event("train", f"fine-tuning: yes: {why}")
        return Tuned(trained, f"yes: {why}")
    prepared.model.load_state_dict(start)
    yield _head_alone(prepared, seen, f"no: {why}")
    return Tuned(HEAD_ALONE, f"no: {why}")


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


def _head_alone(prepared: Prepared, seen: Seen, why: str) -> Event:
    """A head that knows all training pictures."""
    head = put_head(prepared, seen)
    return Event("train", f"a linear last layer alone; {head.reason}; fine-tuning: {why}")


def _apart(prepared: Prepared) -> tuple[Prepared, NDArray[np.bool_] | None]:
    """What is trained on and what is compared on; and bool [N], the training pictures that are held back."""
    recipe, column, count = prepared.plan.recipe, prepared.column, len(prepared.column.rows)
    held = min(_MOST_HELD_BACK, round(count * (recipe.choice_fraction or 0.0)))
    if prepared.choice is not None or not held:
        return prepared, None
    order = torch.randperm(count, generator=torch.Generator().manual_seed(recipe.seed)).numpy()
    left_out = np.zeros(count, bool)
    left_out[order[:held]] = True
    choice = Column(column.pixels[left_out], column.rows[left_out], (), column.from_store)
    rows = torch.from_numpy(np.flatnonzero(~left_out))
    return replace(
        prepared,
        # The last epoch is kept: the pictures held back decide one thing alone.
        plan=prepared.plan.choosing_again("its end is what is compared", keep="last")
        if recipe.keep == "best"
        else prepared.plan,
        batches=replace(prepared.batches, rows=rows),
        roles=replace(prepared.roles, choice=prepared.roles.train),
        choice=choice,
    ), left_out


def _count(part: Prepared) -> int:
    return 0 if part.choice is None else len(part.choice.rows)


def _figures(figures: dict[str, float]) -> str:
    return "".join(f"; {_words(name)} {value:.4f}" for name, value in figures.items())


def _words(name: str) -> str:
    return name.removeprefix("val_").replace("_", " ")
