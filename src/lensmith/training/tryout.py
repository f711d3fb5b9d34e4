"""Small pictures, not many of them: a small network from scratch, or a last layer on a network that was trained on
photos? Both learn from some of the training pictures, and others among them tell which was right more often."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from lensmith.data.dataset import ImageDataset
from lensmith.data.native import native_size
from lensmith.data.splitting import Roles, make_splits
from lensmith.errors import LensmithError, PictureError
from lensmith.fitting.fit import fit
from lensmith.models.packaged import BACKBONE, is_there
from lensmith.planning.clock import Clock
from lensmith.planning.plan import DRAWN, MANY
from lensmith.runs.fields import seconds_of
from lensmith.runs.recipe import Recipe
from lensmith.store.store import open_column
from lensmith.training.choosing import outputs_on
from lensmith.training.parts import Parts
from lensmith.training.prepare import Prepared, prepare
from lensmith.training.transfer import fit_head
from lensmith.types import Event

_FEWEST, _SAMPLE, _PART, _SHARE = 100, 500, 0.2, 0.4
"""Training pictures from which on it is tried; on so many of them, or on that part where it is more, since a network
from scratch gains most by numbers; and the share of those that tells."""
_LEAST_BUDGET = 60.0
"""Seconds of a budget, from which on those that this takes are well spent."""
_CLEAR = 2.0
"""Standard deviations of the difference, from which on the larger network is taken."""
_GREY = 16
"""Pictures that are looked at for colour."""


def is_undecided(recipe: Recipe, parts: Parts, train: ImageDataset) -> bool:
    """Whether nothing says how to learn, both ways are open, and trying them is worth its time."""
    said = (recipe.model, recipe.pretrained, recipe.freeze, recipe.weights, recipe.image_size, recipe.epochs)
    own = (parts.model, parts.loss, parts.optimizer, parts.schedule, parts.preprocess, parts.augment)
    return (
        all(value is None for value in (*said, *own))
        and not recipe.asked(DRAWN)
        and train.task == "classification"
        and _FEWEST <= len(train) < MANY
        and (recipe.budget is None or seconds_of(recipe.budget) >= _LEAST_BUDGET)
        and is_there()
        and native_size(train)[0] is not None
        and _is_coloured(train)
    )


def try_out(recipe: Recipe, train: ImageDataset) -> Generator[Event, None, tuple[Recipe, dict[str, str]]]:
    """The recipe with the way that was right more often, and why; the small network where it is not clear."""
    roles = _sampled(train, recipe.seed)
    plain = recipe.changed(budget=None, store=False)
    try:
        large = yield from _prepared(plain.changed(model=BACKBONE, pretrained=True, freeze=True), roles)
        yield from fit_head(large)
        small = yield from _prepared(plain.changed(pretrained=False), roles)
        _train(small)
        right_large = yield from _right(large, roles.held_out)
        right_small = yield from _right(small, roles.held_out)
    except LensmithError:  # what cannot be tried is said where it is done in earnest
        return recipe, {}
    gained, lost = int((right_large & ~right_small).sum()), int((right_small & ~right_large).sum())
    is_large = gained - lost > _CLEAR * (gained + lost) ** 0.5
    ours = small.plan.recipe.model
    counts = {BACKBONE: int(right_large.sum()), ours: int(right_small.sum())}
    first, second = (BACKBONE, ours) if is_large else (ours, BACKBONE)
    reason = (
        f"tried on {len(right_large):,} training pictures, after learning from {len(roles.train):,} others: "
        f"{first} was right on {counts[first]}, {second} on {counts[second]}"
    )
    yield Event("try out", reason)
    if is_large:
        return recipe.changed(model=BACKBONE, pretrained=True), {"model": reason, "pretrained": reason}
    return recipe.changed(pretrained=False), {"pretrained": reason}


def _prepared(recipe: Recipe, roles: Roles) -> Generator[Event, None, Prepared]:
    return (yield from prepare(roles.train, recipe, roles, Clock(), Parts()))


def _sampled(train: ImageDataset, seed: int) -> Roles:
    """Some of the training pictures, split once more."""
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    some = order[: max(_SAMPLE, round(_PART * len(train)))]
    examples = [replace(train.examples[index], split="") for index in sorted(some.tolist())]
    data = make_splits(train.with_examples(examples), _SHARE, seed)
    return Roles(data.split("train"), data.split("val"), "val", None, "a try")


def _train(small: Prepared) -> None:
    recipe = small.plan.recipe
    assert recipe.epochs and recipe.precision
    fit(
        small.model,
        small.batches,
        loss=small.loss,
        optimizer=small.optimizer,
        epochs=recipe.epochs,
        schedule=small.schedule,
        precision=recipe.precision,
    ).run()


def _right(prepared: Prepared, data: ImageDataset) -> Generator[Event, None, NDArray[np.bool_]]:
    """bool [N]: for which pictures its first choice is right."""
    column = yield from open_column(data, prepared.preprocess, store=False)
    outputs, targets = outputs_on(prepared, column, column.matching(data))
    right: NDArray[np.bool_] = outputs.argmax(1) == targets
    return right


def _is_coloured(train: ImageDataset) -> bool:
    """Grey pictures are letters, digits, drawings: a small network learns them fast, photos teach little of them."""
    for index in range(0, len(train), max(1, len(train) // _GREY)):
        try:
            pixels = train.pixels(index)
        except PictureError:
            continue  # the store will say which and why
        if (pixels != pixels[..., :1]).any():
            return True
    return False
