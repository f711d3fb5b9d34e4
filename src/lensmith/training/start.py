"""The beginning of a training: data, their split, which way to learn, and everything up to the first step."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lensmith.data.by_recipe import load_by_recipe
from lensmith.data.dataset import ImageDataset
from lensmith.data.decisions import decide, read_decisions
from lensmith.data.grouping import group_words
from lensmith.data.splitting import Roles
from lensmith.machine.allocator import keep_large_blocks
from lensmith.machine.processes import ALONE, Processes
from lensmith.planning.clock import Clock
from lensmith.runs.fields import OWN
from lensmith.runs.recipe import Recipe
from lensmith.training.parts import Parts, settle
from lensmith.training.prepare import Prepared, prepare
from lensmith.training.several import asked_for, budget_of_one
from lensmith.training.starting_point import class_words
from lensmith.training.tryout import is_undecided, try_out
from lensmith.types import Event

_FEW_CLASSES = 5
"""Up to so many are named, with their counts, in the first line."""


def prepare_job(
    source: Any,
    recipe: Recipe,
    clock: Clock,
    parts: Parts | None = None,
    processes: Processes = ALONE,
) -> Generator[Event, None, Prepared]:
    """Load and split the data, choose what is open, decode the training column, build the network."""
    allocator = keep_large_blocks()
    with clock.stage("data"):
        recipe, parts = settle(recipe, parts or Parts())
        file = Path(recipe.decisions or "")
        decisions = read_decisions(file) if recipe.decisions else None
        data, roles = load_by_recipe(source, recipe)
        if parts.from_run is not None:
            parts.from_run.require_task(data)
        undecided, decided = None, None
        if decisions is not None:
            # After the split, which so stays the same, and the two models can be compared.
            undecided = roles.train
            roles, decided = decide(roles, decisions, file, source)
            data = roles.as_data()
        yield Event("data", _data_words(data, roles))
        if decided is not None:
            yield Event("", decided.words())
    reasons: dict[str, str] = {}
    asked, recipe = recipe.budget, budget_of_one(recipe, clock)
    if is_undecided(recipe, parts, roles.train):
        with clock.stage("try out"):
            recipe, reasons = yield from try_out(recipe, roles.train)
    with clock.stage("data"):
        prepared = yield from prepare(data, recipe, roles, clock, parts, reasons, processes=processes)
        if recipe.budget != asked:
            why = f"{recipe.budget} for the first training, the rest for the others that {asked_for(recipe)} asks for"
            prepared = replace(prepared, plan=prepared.plan.choosing_again(why, budget=asked))
    if prepared.start is not None and prepared.taken is not None:
        yield Event(
            "from",
            f"{prepared.start.word} (sha256 {prepared.start.facts.sha256[:12]}); "
            f"{class_words(prepared.taken)}; its own pictures are not here, and only those given are learned from",
        )
    yield Event("plan", plan_words(prepared))
    return replace(prepared, allocator=allocator, undecided=undecided, decided=decided)


def _data_words(data: ImageDataset, roles: Roles) -> str:
    left_out = len(data.skipped)
    skipped = f", and {left_out:,} file{'s' if left_out > 1 else ''} skipped" if left_out else ""
    kinds = {"classification": "classes", "multilabel": "labels"}
    of = f" of {len(data.classes)} {kinds[data.task]}" if data.task in kinds else " with a number each"
    if 0 < len(data.classes) <= _FEW_CLASSES:
        of += f" ({', '.join(f'{name} {count:,}' for name, count in data.counts().items())})"
    groups = group_words(data)
    of += f" in {groups}" if groups else ""
    return f"{len(data):,} pictures{of}{skipped}; {_split_words(roles)}"


def _split_words(roles: Roles) -> str:
    train, held_out, folds = len(roles.train), len(roles.held_out), max(roles.folds, default=0)
    if not held_out:
        return f"all to train on, and to be measured on out of fold ({roles.made})"
    words = f"{train:,} to train on{f' (in {folds} folds)' if folds else ''}, "
    if roles.choice is not None:
        words += f"{len(roles.choice):,} to choose on (val), "
    return f"{words}{held_out:,} held out to measure on ({roles.held_out_name}; {roles.made})"


def plan_words(prepared: Prepared) -> str:
    """The plan in one line."""
    recipe = prepared.plan.recipe
    name = f"your {type(prepared.model).__name__}" if recipe.model == OWN else recipe.model
    why = prepared.plan.reasons.get("model")
    what = f"{name}, since {why}; " if why else f"{name}; "
    what += (
        f"pictures at {prepared.preprocess.size[1]} x {prepared.preprocess.size[0]} px, on {recipe.device}"
    )
    seconds = f"about {max(1, round(prepared.seconds))} s"
    if recipe.freeze:
        return f"{what}; the network stays as it is, and a new last layer is trained, {seconds}"
    return (
        f"{what}; {recipe.epochs:g} epochs, {seconds}, batches of {recipe.batch_size}, "
        f"{recipe.optimizer} lr {recipe.lr:g}, {recipe.precision}"
    )
