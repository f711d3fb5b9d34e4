"""The last layer first, on features; then all layers go on from there, where that is better on left-out pictures."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace

from torch import nn

from lensmith.evaluation.calibration import Unseen
from lensmith.models.heads import find_head
from lensmith.runs.directory import RunDirectory
from lensmith.training.choosing import chooser
from lensmith.training.comparing import figure_words, train_if_better
from lensmith.training.epochs import Trained
from lensmith.training.held_back import hold_back, said_of_choices
from lensmith.training.learned import HEAD_ALONE, Learned, with_apart
from lensmith.training.prepare import Prepared
from lensmith.training.transfer import Seen, out_of_fold, put_head, see
from lensmith.types import Event

_LEAST_PASSES = 1.0
"""On 5,000 pictures one pass is worth six points more than the head alone."""


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
    passes = prepared.processes.agreed(_passes_left(prepared))
    if passes < _LEAST_PASSES and recipe.budget is not None:
        why = f"no: {passes:.2f} passes fit into the budget, and from {_LEAST_PASSES:g} on they pay"
        untried = replace(HEAD_ALONE, untried=True)
        return replace((yield from _head_alone(prepared, seen, why, untried)), seen=seen)
    part, left_out = yield from hold_back(prepared)
    head = put_head(prepared, seen, left_out)
    figures = "".join(f"; {figure_words(name)} {value:.4f}" for name, value in chooser(part)().items())
    yield Event("train", f"a linear last layer on features first; {head.reason}{figures}")
    compared = yield from train_if_better(part, run, left_out, "with the last layer alone")
    if compared.kept is False:
        undone = replace(compared.trained, kept=HEAD_ALONE.kept)
        return (yield from _head_alone(prepared, seen, f"no: {compared.why}", undone))
    why = f"yes: {compared.why}"
    yield Event("train", f"fine-tuning: {why}")
    if compared.kept is None:
        return _learned(compared.trained, why, None)
    return with_apart(_learned(compared.trained, why, said_of_choices(part, left_out)), part, left_out)


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
