"""Data and what each split of them is for, as a recipe says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lensmith.data.bonds import Rows
from lensmith.data.dataset import ImageDataset
from lensmith.data.decisions import decide, read_decisions
from lensmith.data.leaks import without_leaks
from lensmith.data.learnt import require_learnt
from lensmith.data.sources import load_data
from lensmith.data.split_file import give_splits, read_split_file
from lensmith.data.splitting import Roles, assign_roles
from lensmith.runs.recipe import Recipe


def load_by_recipe(source: Any, recipe: Recipe, together: Sequence[Rows] = ()) -> tuple[ImageDataset, Roles]:
    """The pictures that can be used, and their roles. together: rows of the data that must not part."""
    data = load_data(source, root=recipe.root, task=recipe.task, group_by=recipe.group_by)
    made = ""
    if recipe.splits is not None:
        given = give_splits(data, read_split_file(Path(recipe.splits)), source, recipe.seed, together)
        data, made = given.data, given.words(recipe.splits)
    roles = assign_roles(
        data,
        recipe.val_fraction,
        recipe.seed,
        test=recipe.test_fraction,
        folds=recipe.folds,
        together=together,
    )
    return _without_leaks(data, roles, recipe, made or roles.made)


def roles_of(source: Any, recipe: Recipe) -> Roles:
    """The pictures of a run as it used them: with the decisions on them, too, that its recipe names."""
    _, roles = load_by_recipe(source, recipe)
    if recipe.decisions:
        file = Path(recipe.decisions)
        roles, _ = decide(roles, read_decisions(file), file, source)
    return roles


def _without_leaks(data: ImageDataset, roles: Roles, recipe: Recipe, made: str) -> tuple[ImageDataset, Roles]:
    if recipe.drop_leaks and len(data.splits) > 1:
        before = len(data)
        data = without_leaks(data)
        roles = assign_roles(data, seed=recipe.seed, folds=recipe.folds)
        made += f"; {before - len(data):,} left out that a later split holds too"
    require_learnt(roles.train.counts(), roles.held_out.counts(), roles.held_out_name, data.name)
    return data, replace(roles, made=made)
