"""How a recipe is tried: a training of its own, or a last layer on features that all trials share."""

from __future__ import annotations

import copy
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lensmith.data.dataset import ImageDataset
from lensmith.data.splitting import Roles
from lensmith.data.target_array import target_array
from lensmith.errors import UsageError
from lensmith.features.embed import Features, embed
from lensmith.planning.clock import Clock
from lensmith.runs.directory import RunDirectory
from lensmith.runs.recipe import Recipe
from lensmith.searching.grounds import Grounds, folds_of
from lensmith.searching.judging import Answers, answers_of
from lensmith.store.store import open_column
from lensmith.training.choosing import outputs_on
from lensmith.training.learn import learn
from lensmith.training.parts import Parts, settle
from lensmith.training.prepare import Prepared, prepare
from lensmith.training.transfer import Seen, features_below, fitted_head, see
from lensmith.types import Event

_NOT_SEEN = ("penalty", "flip", "seed", "weight_decay")
"""Fields that change nothing in what a network sees before its last layer; of `flip`, both ways are looked at."""


@dataclass(frozen=True)
class Setting:
    """What all trials of a process have in common. parts: a user's own objects, each used as it was given; reasons:
    of what was chosen for all of them; mirrored: whether any of them looks at mirrored pictures."""

    grounds: Grounds
    parts: Parts
    reasons: dict[str, str]
    mirrored: bool = False

    def fresh_parts(self) -> Parts:
        """The parts as they were before a training changed them."""
        return replace(self.parts, model=copy.deepcopy(self.parts.model))


def refuse_bound_parts(parts: Parts) -> None:
    """Raise `UsageError` for an optimizer that belongs to one network, where several are trained."""
    if isinstance(parts.optimizer, torch.optim.Optimizer):
        raise UsageError(
            "a sweep trains many networks, and an optimizer belongs to the one it was built on",
            hint="Give a function of parameters: optimizer=functools.partial(torch.optim.SGD, lr=0.1).",
        )


def get_ready(setting: Setting, recipe: Recipe, roles: Roles) -> Generator[Event, None, Prepared]:
    """All that stands before the first step, with what is left open chosen."""
    recipe, parts = settle(recipe, setting.fresh_parts())
    return (yield from prepare(roles.train, recipe, roles, Clock(), parts, setting.reasons))


def train_on(setting: Setting, recipe: Recipe, roles: Roles, place: Path) -> Generator[Event, None, Prepared]:
    """A training by the recipe; the network of what is returned has learned. place: for its curves."""
    prepared = yield from get_ready(setting, recipe, roles)
    torch.manual_seed(recipe.seed)
    place.mkdir(parents=True, exist_ok=True)
    yield from learn(prepared, RunDirectory(place))
    return prepared


def ask_about(prepared: Prepared, data: ImageDataset) -> Generator[Event, None, Answers]:
    """What a network says of pictures that it did not learn from."""
    column = yield from open_column(data, prepared.preprocess, store=prepared.plan.recipe.store)
    used = column.matching(data)
    outputs, targets = outputs_on(prepared, column, used)
    return answers_of(outputs, targets, used)


@dataclass(frozen=True)
class Sight:
    """What a network that stays as it is sees in the pictures that trials learn from, the mirrored after the others.

    folds: int64 [N] of each picture; judge: features of those that trials are judged on, where there are such, with
    their answers' targets. seconds: that looking took.
    """

    prepared: Prepared
    seen: Seen
    folds: NDArray[np.int64]
    judge: tuple[Features, ImageDataset] | None
    seconds: float

    def with_recipe(self, recipe: Recipe) -> Sight:
        """The same for another head: its penalty, its seed, and whether it learns from mirrored pictures."""
        plan = self.prepared.plan
        asked = {name: getattr(recipe, name) for name in _NOT_SEEN}
        flip = plan.recipe.flip if asked["flip"] is None else asked["flip"]
        plan = replace(plan, recipe=plan.recipe.changed(**asked | {"flip": flip}))
        seen, count = self.seen, len(self.seen.together)
        if not flip:
            seen = Seen(seen.features[:count], seen.targets[:count], seen.pictures[:count], seen.together)
        return replace(self, prepared=replace(self.prepared, plan=plan), seen=seen)


class Sights:
    """What was seen so far: each size and network is looked at once, and all trials of this process share it."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._seen: dict[Recipe, Sight] = {}

    def look(self, recipe: Recipe) -> Generator[Event, None, tuple[Sight, bool]]:
        """For a recipe; and whether it was there already."""
        key = replace(recipe, penalty=None, seed=0, weight_decay=0.0, flip=None)
        known = key in self._seen
        if not known:
            self._seen[key] = yield from self._looked(recipe)
        return self._seen[key].with_recipe(recipe), known

    def _looked(self, recipe: Recipe) -> Generator[Event, None, Sight]:
        began, grounds = time.perf_counter(), self._setting.grounds
        recipe = recipe.changed(flip=True) if self._setting.mirrored else recipe
        prepared = yield from get_ready(self._setting, recipe, grounds.for_a_trial())
        seen = yield from see(prepared)
        judge = None
        if grounds.judge is not None:
            judge = yield from features_of(prepared, grounds.judge)
        folds = folds_of(grounds.learn, recipe.seed)[prepared.column.rows]
        return Sight(prepared, seen, folds, judge, time.perf_counter() - began)


def features_of(
    prepared: Prepared, data: ImageDataset
) -> Generator[Event, None, tuple[Features, ImageDataset]]:
    """What its network sees in other pictures, and those of them that can be read."""
    recipe = prepared.plan.recipe
    column = yield from open_column(data, prepared.preprocess, store=recipe.store)
    seen = yield from embed(
        features_below(prepared), column.pixels, prepared.preprocess, device=recipe.device or "cpu"
    )
    return seen, column.matching(data)


def ask_head(sight: Sight, asked: tuple[Features, ImageDataset]) -> Answers:
    """What a head that learned from all the pictures says of others."""
    head = fitted_head(sight.prepared, sight.seen)
    features, data = asked
    outputs = (torch.from_numpy(features).float() @ head.weight.T + head.bias).numpy()
    return answers_of(outputs, target_array(data), data)


def ask_heads(sight: Sight) -> Answers:
    """What is said of the pictures for choices; without such, of those that are learned from, each by a head that did
    not see it."""
    if sight.judge is not None:
        return ask_head(sight, sight.judge)
    count, folds = len(sight.folds), sight.folds
    used = sight.prepared.column.matching(sight.prepared.roles.train)
    views = torch.from_numpy(sight.seen.features[:count]).float()
    said = np.full((count, max(1, len(used.classes))), np.nan, np.float32)
    for fold in range(1, int(folds.max()) + 1):
        left_out = folds == fold
        head = fitted_head(sight.prepared, sight.seen, left_out)
        said[left_out] = (views[torch.from_numpy(left_out)] @ head.weight.T + head.bias).numpy()
    asked = folds > 0
    data = used.with_examples([used.examples[row] for row in np.flatnonzero(asked)])
    return answers_of(said[asked], target_array(data), data)
