"""Is the winner of a sweep better than the recipe that nobody chose, or was it lucky? Both are trained anew by fresh
seeds, and asked about pictures that nothing was chosen on."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lensmith.data.dataset import ImageDataset
from lensmith.evaluation.paired_seeds import SeedsCompared, compare_seeds, picture_parts
from lensmith.features.embed import Features
from lensmith.runs.recipe import Recipe
from lensmith.searching.judging import FIGURES, Answers
from lensmith.searching.timetable import SEEDS
from lensmith.searching.trying import TimeOver, counted, in_time
from lensmith.searching.ways import Setting, Sights, ask_about, ask_head, features_of, train_on
from lensmith.types import Event

FIRST_FRESH = 1_000
"""Added to a recipe's seed: no trial was trained by it."""
Ask = Callable[[Recipe, str], Generator[Event, None, Answers]]
Rivals = tuple[Recipe, Recipe]
"""The winner, and the default recipe."""


@dataclass(frozen=True)
class Limits:
    """seeds: by how many both are trained at most; ends: by when (time.time) it is over, where a budget says."""

    seeds: int = SEEDS
    ends: float | None = None


def confirm(
    setting: Setting, rivals: Rivals, limits: Limits, sights: Sights | None, place: Path
) -> Generator[Event, None, SeedsCompared | None]:
    """The winner beside the default recipe; None where the time was not enough for one training of each.

    sights: what is there already, where last layers are fitted to features. place: for the curves of trainings.
    """
    ask = _by_heads(setting, sights) if sights is not None else _by_training(setting, place)
    said: tuple[list[Answers], list[Answers]] = ([], [])
    seeds: list[int] = []
    longest = 0.0
    for number in range(limits.seeds):
        began = time.time()
        if limits.ends is not None and began + longest > limits.ends:
            words = f"{len(seeds)} of {limits.seeds} seeds fitted into the budget"
            yield Event("warning", words)
            break
        seed = rivals[0].seed + FIRST_FRESH + number
        try:
            pair = []
            for name, recipe in zip(("tried", "usual"), rivals, strict=True):
                asking = ask(recipe.changed(seed=seed), name)
                pair.append((yield from counted(in_time(asking, limits.ends), f"seed {seed}")))
        except TimeOver:
            break
        for answers, of_one in zip(said, pair, strict=True):
            answers.append(of_one)
        seeds.append(seed)
        longest = max(longest, time.time() - began)
        yield Event("confirm", f"seed {seed}", len(seeds), limits.seeds + 1)
    if not seeds:
        return None
    return compare_seeds(FIGURES[said[0][0].task], tuple(seeds), *(_parts(answers) for answers in said))


def _by_training(setting: Setting, place: Path) -> Ask:
    def ask(recipe: Recipe, name: str) -> Generator[Event, None, Answers]:
        grounds = setting.grounds
        where = place / f"{recipe.seed}-{name}"
        prepared = yield from train_on(setting, recipe, grounds.for_confirming(), where)
        return (yield from ask_about(prepared, grounds.confirm))

    return ask


def _by_heads(setting: Setting, sights: Sights) -> Ask:
    kept: dict[int, tuple[Features, ImageDataset]] = {}

    def ask(recipe: Recipe, name: str) -> Generator[Event, None, Answers]:
        sight, _ = yield from sights.look(recipe)
        key = id(sight.prepared.model)  # one network for each way of looking
        if key not in kept:
            kept[key] = yield from features_of(sight.prepared, setting.grounds.confirm)
        return ask_head(sight, kept[key])

    return ask


def _parts(answers: list[Answers]) -> NDArray[np.float64]:
    return np.stack([picture_parts(one.outputs, one.targets, one.task) for one in answers])
