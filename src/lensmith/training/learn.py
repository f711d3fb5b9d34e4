"""From what is prepared to a network that has learned, in the way that the recipe says."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from lensmith.runs.directory import RunDirectory
from lensmith.training.comparing import train_if_better
from lensmith.training.epochs import Trained, train_epochs
from lensmith.training.finetune import can_fine_tune, fine_tune
from lensmith.training.held_back import hold_back, said_of_choices
from lensmith.training.learned import HEAD_ALONE, Learned, with_apart
from lensmith.training.prepare import Prepared
from lensmith.training.transfer import out_of_fold, put_head, see
from lensmith.types import Event


def learn(prepared: Prepared, run: RunDirectory) -> Generator[Event, None, Learned]:
    """Fit a last layer to features, fine-tune, or train all of it; the network ends with the weights to keep."""
    if prepared.plan.recipe.freeze:
        return (yield from _learn_head(prepared))
    if can_fine_tune(prepared):
        return (yield from fine_tune(prepared, run))
    part, left_out = yield from hold_back(prepared)
    if prepared.start is None:
        trained, choices = (yield from train_epochs(part, run)), dict[str, str]()
    else:
        trained, choices = yield from _go_on(part, run, left_out, prepared.start.word)
    learned = Learned(trained, choices | {"keep": trained.kept}, said_of_choices(part, left_out))
    return with_apart(learned, part, left_out)


def _go_on(
    part: Prepared, run: RunDirectory, left_out: NDArray[np.bool_] | None, word: str
) -> Generator[Event, None, tuple[Trained, dict[str, str]]]:
    """All layers of a model that was trained before, unless that makes it worse."""
    from lensmith.training.new_classes import learn_new_classes

    yield from learn_new_classes(part, left_out)
    compared = yield from train_if_better(part, run, left_out, f"as {word} left them")
    why = f"{'no' if compared.kept is False else 'yes'}: {compared.why}"
    yield Event("train", f"going on with all layers: {why}")
    return compared.trained, {"going on": why}


def _learn_head(prepared: Prepared) -> Generator[Event, None, Learned]:
    seen, without = (yield from see(prepared)), None
    if prepared.undecided is not None:
        from lensmith.training.decided import head_without  # with what compares two models

        without = yield from head_without(prepared, seen)
    head = put_head(prepared, seen)
    yield Event(
        "train", f"a linear last layer on {head.weight.shape[1]:,} features of each picture; {head.reason}"
    )
    why = f"no: {prepared.plan.reasons.get('freeze', 'freeze=true')}"
    yield Event("", f"fine-tuning: {why}")
    choices = {"penalty": head.reason, "fine-tuning": why}
    return Learned(HEAD_ALONE, choices, out_of_fold(head, seen), seen, without)
