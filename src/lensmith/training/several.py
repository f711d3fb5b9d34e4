"""Several trainings by one recipe: by other seeds, or each without a fold of the pictures."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch

from lensmith.errors import UsageError
from lensmith.planning.clock import Clock
from lensmith.runs.fields import seconds_of
from lensmith.runs.recipe import Recipe
from lensmith.training.parts import Parts


def asked_for(recipe: Recipe) -> str:
    """The field that asks for several trainings, as it was written, or nothing. Raises `UsageError` for two."""
    fields = [
        f"{name}={count}" for name, count in (("seeds", recipe.seeds), ("folds", recipe.folds)) if count > 1
    ]
    if len(fields) > 1:
        raise UsageError(
            f"{' and '.join(fields)}: one says how far the draw of a training moves its figure, the other how far "
            "its pictures do",
            hint="Ask for one of them at a time.",
        )
    return "".join(fields)


def untrained(parts: Parts | None, recipe: Recipe) -> Parts | None:
    """The user's own parts as they are before a training changes them, where others begin with them again."""
    asked = asked_for(recipe)
    if not asked or parts is None:
        return parts
    if isinstance(parts.optimizer, torch.optim.Optimizer):
        raise UsageError(
            f"{asked} trains several networks, and an optimizer belongs to the one it was built on",
            hint="Give a function of parameters: optimizer=functools.partial(torch.optim.SGD, lr=0.1).",
        )
    return replace(parts, model=copy.deepcopy(parts.model))


def budget_of_one(recipe: Recipe, clock: Clock) -> Recipe:
    """The recipe with the time that the first of its trainings may take.

    Seeds take as long each. k folds learn from (k - 1) / k of the pictures each, by as many passes: together they
    take k - 1 times as long as the model on all of them.
    """
    times = max(recipe.seeds, recipe.folds)
    if times < 2 or recipe.budget is None or recipe.epochs is not None:
        return recipe
    spent = clock.spent()
    seconds = spent + max(0.0, seconds_of(recipe.budget) - spent) / times
    return recipe.changed(budget=f"{seconds:.3f}s")
