"""From what is prepared to a network that has learned, in the way that the recipe says."""

from __future__ import annotations

from collections.abc import Generator

from lensmith.runs.directory import RunDirectory
from lensmith.training.decided import head_without
from lensmith.training.epochs import train_epochs
from lensmith.training.finetune import can_fine_tune, fine_tune
from lensmith.training.held_back import hold_back, said_of_choices
from lensmith.training.learned import HEAD_ALONE, Learned, with_apart
from lensmith.training.new_classes import learn_new_classes
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
    yield from learn_new_classes(part, left_out)
    trained = yield from train_epochs(part, run)
    learned = Learned(trained, {"keep": trained.kept}, said_of_choices(part, left_out))
    return with_apart(learned, part, left_out)


def _learn_head(prepared: Prepared) -> Generator[Event, None, Learned]:
    seen, without = (yield from see(prepared)), None
    if prepared.undecided is not None:
        without = yield from head_without(prepared, seen)
    head = put_head(prepared, seen)
    yield Event(
        "train", f"a linear last layer on {head.weight.shape[1]:,} features of each picture; {head.reason}"
    )
    why = f"no: {prepared.plan.reasons.get('freeze', 'freeze=true')}"
    yield Event("", f"fine-tuning: {why}")
    choices = {"weight_decay": head.reason, "fine-tuning": why}
    return Learned(HEAD_ALONE, choices, out_of_fold(head, seen), seen, without)
