"""What is searched where nobody says: few fields, those that decide most in the way that the pictures are learned."""

from __future__ import annotations

from collections.abc import Container

from lensmith.errors import UsageError
from lensmith.planning.plan import Plan
from lensmith.runs.recipe import Recipe
from lensmith.searching.space import Axis, Space, Span, Values

_OF_A_HEAD = ("penalty", "flip", "image_size", "fit", "normalize", "model", "precision")
"""What changes a last layer that is fitted to features."""
_LIKELY = (1e-4, 1.0)
"""Penalties of a last layer, on standardised features."""
_STEP, _SMALLEST, _LARGEST = 32, 64, 288
"""Sides that a pretrained network is shown pictures at, two on either side of the usual one."""
_RATES = (0.2, 4.0)
"""Times the usual rate: higher ones seldom train at all."""
_BATCHES = (8, 512)
_OURS = ("muon", "sgd", "adam", "adamw")


def usual_space(plan: Plan, count: int, mirrored: bool) -> Space:
    """By how the resolved recipe of a sweep learns. count: pictures to learn from; mirrored: whether mirroring keeps
    what they mean."""
    recipe = plan.recipe
    if recipe.freeze:
        return {"penalty": Span(*_LIKELY, True, False), **_views(recipe, mirrored)}
    space: dict[str, Axis] = {}
    if recipe.lr and recipe.optimizer in _OURS:
        space["lr"] = Span(round(_RATES[0] * recipe.lr, 6), round(_RATES[1] * recipe.lr, 6), True, False)
    if recipe.pretrained:
        epochs = recipe.epochs or 1.0
        space["epochs"] = (
            Values((max(1.0, round(epochs / 2)), epochs, 2 * epochs)) if epochs > 1 else Values((1.0, 2.0))
        )
        space["penalty"] = Span(*_LIKELY, True, False)
    else:
        space["batch_size"] = _batches(recipe, count)
        if recipe.optimizer in _OURS and recipe.optimizer != "muon":  # which has none
            space["weight_decay"] = Span(1e-4, 0.3, True, False)
    if recipe.task == "classification":
        space["label_smoothing"] = Span(0.0, 0.2, False, False)
    if recipe.augment is None:
        space |= _changes(recipe)
    if recipe.small_first:
        space["small_first"] = Values((0.0, recipe.small_first))
    return space


def chosen_space(usual: Space, asked: Space, fixed: Container[str], recipe: Recipe) -> Space:
    """What is searched in the end: what was asked for; the rest of the usual, but for what somebody gave one value.

    Raises `UsageError` for a field that changes nothing in the way that is learned, and where nothing is left.
    """
    for name, axis in asked.items():
        if recipe.freeze and name not in _OF_A_HEAD:
            raise UsageError(
                f"{name}={axis} would change nothing: a last layer is fitted to features, without passes",
                hint=f"Say freeze=false to train all layers, or search {', '.join(_OF_A_HEAD[:3])}.",
            )
        if name == "penalty" and not recipe.pretrained:
            raise UsageError(
                f"penalty={axis} would change nothing: no last layer is fitted to features from scratch",
                hint="It is weight_decay that decides there.",
            )
    space = {name: axis for name, axis in usual.items() if name not in fixed and name not in asked} | dict(
        asked
    )
    if "crop" in fixed or "crop" in asked:  # which moves the picture already
        space = {name: axis for name, axis in space.items() if name != "shift" or name in asked}
    if not space:
        raise UsageError("nothing is left to search", hint="Give a range, such as lr=0.001..0.1.")
    return space


def _views(recipe: Recipe, mirrored: bool) -> dict[str, Axis]:
    """How a pretrained network is shown the pictures."""
    found: dict[str, Axis] = {"flip": Values((True, False))} if mirrored else {}
    if recipe.preprocess is None and recipe.image_size is not None:
        near = [recipe.image_size + step * _STEP for step in (0, -1, 1)]
        sizes = tuple(side for side in near if _SMALLEST <= side <= _LARGEST)
        found |= {"image_size": Values(sizes)} if len(sizes) > 1 else {}
    return found


def _batches(recipe: Recipe, count: int) -> Axis:
    usual = recipe.batch_size or 1
    low, high = _BATCHES
    near = (usual // 2, usual, 2 * usual)
    return Values(tuple(size for size in near if size == usual or low <= size <= min(high, count // 4)))


def _changes(recipe: Recipe) -> dict[str, Axis]:
    """How far training pictures are changed."""
    found: dict[str, Axis] = {}
    if not recipe.crop:
        found["shift"] = Span(0.0, max(0.125, recipe.shift or 0.0), False, False)
    found["cutout"] = Span(0.0, 0.4, False, False)
    if recipe.task != "regression":
        found["colour"] = Span(0.0, 0.4, False, False)
    return found
