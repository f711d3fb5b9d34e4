"""A user's own objects in the place of what a recipe names, given in Python or found in a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lensmith.batches.growth import smaller_sizes
from lensmith.errors import UsageError
from lensmith.models.probe import place_of, probe
from lensmith.models.summary import summary
from lensmith.pictures.preprocess import Preprocess
from lensmith.pictures.transforms import Augmentation, augmentation_of, preprocess_of
from lensmith.runs.fields import OWN
from lensmith.runs.recipe import OF_A_PICTURE, Recipe
from lensmith.runs.user_code import is_in_file, naming_faults, read_object
from lensmith.training.starting_point import StartingPoint, read_starting_point
from lensmith.types import Schedule

NORMALS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and standard deviation of values in 0 to 1, by the word for them."""


@dataclass(frozen=True)
class Parts:
    """What is None is made as the recipe says.

    model: trained in place. loss: as `fit` takes it. optimizer: built on the model's parameters, or a function
    of parameters. schedule: progress in [0, 1] -> what the rate is multiplied by. from_run: what a training goes
    on from, opened.
    """

    model: nn.Module | None = None
    loss: Callable[..., Tensor] | None = None
    optimizer: torch.optim.Optimizer | Callable[..., torch.optim.Optimizer] | None = None
    schedule: Schedule | None = None
    preprocess: Preprocess | None = None
    augment: Augmentation | None = None
    from_run: StartingPoint | None = None


_NAMES = [field.name for field in dataclasses.fields(Parts) if field.name != "from_run"]


def take_parts(recipe: Recipe, fields: dict[str, Any]) -> tuple[Recipe, Parts]:
    """The keywords of `train`: words go into the recipe, objects become parts, and the recipe says `own`."""
    given = {n: v for n, v in fields.items() if n in _NAMES and v is not None and not isinstance(v, str)}
    words = fields | dict.fromkeys(given, OWN)
    if (start := fields.get("from_run")) is not None:
        words["from_run"] = str(getattr(start, "path", start))  # a Run, a path or a word
    if isinstance(given.get("optimizer"), torch.optim.Optimizer):
        if "model" not in given:
            raise UsageError(
                "optimizer: it was built on the parameters of a network, and none is given",
                hint="Give model=net too, or a function of parameters: functools.partial(torch.optim.SGD, lr=0.1).",
            )
        if recipe.schedule is None:
            words.setdefault("schedule", "constant")  # as it would be in a loop of one's own
    return recipe.varied(**words), Parts(**{name: _part(name, value) for name, value in given.items()})


def settle(recipe: Recipe, parts: Parts) -> tuple[Recipe, Parts]:
    """Parts that the recipe names in files are read, and what they decide is written into the recipe.

    Raises `UsageError` where two things say the same otherwise, and for an object that is not there any more.
    """
    for name in _NAMES:
        word = getattr(recipe, name)
        if getattr(parts, name) is None and word is not None and name != "model":
            if is_in_file(word):
                parts = dataclasses.replace(parts, **{name: _part(name, read_object(word, name))})
            elif word == OWN or name in ("preprocess", "augment"):
                raise UsageError(
                    f"{name}={word} names no object",
                    hint=f"Give it in Python, {name}=..., or name it in a file: {name}=mine.py:NAME.",
                )
    if recipe.from_run is not None:
        return _going_on(recipe, parts)
    if recipe.model == OWN and (recipe.weights or recipe.pretrained):
        raise UsageError(
            "weights and pretrained are for networks by name, and this one was given",
            hint="Load its weights into it before: net.load_state_dict(...).",
        )
    return _sized(recipe, parts), parts


def _going_on(recipe: Recipe, parts: Parts) -> tuple[Recipe, Parts]:
    """Network and preprocessing come from the run that is gone on from."""
    assert recipe.from_run is not None
    start = parts.from_run or read_starting_point(recipe.from_run)
    if parts.preprocess is not None:
        raise UsageError(f"preprocess= and from={recipe.from_run} both say how pictures are seen")
    recipe = start.settled(recipe)
    parts = dataclasses.replace(parts, from_run=start, preprocess=start.facts.preprocess)
    return _sized(recipe, parts), parts


def named_preprocess(recipe: Recipe, weights: dict[str, Any]) -> Preprocess:
    """How pictures are seen, by a recipe's words; weights: the facts of those that the network begins with."""
    assert recipe.image_size and recipe.fit and recipe.normalize
    size = (recipe.image_size, recipe.image_size)
    if recipe.normalize != "pretrained":
        mean, std = NORMALS[recipe.normalize]
        return Preprocess(size, recipe.fit, mean=mean, std=std)
    if not weights:
        raise UsageError("normalize=pretrained, and nothing is pretrained", hint="Add pretrained=true.")
    resize = weights["resize"] if recipe.fit == "crop" and recipe.image_size == weights["size"] else None
    return Preprocess(size, recipe.fit, resize, weights["interpolation"], weights["mean"], weights["std"])


def require_outputs(model: nn.Module, classes: int, preprocess: Preprocess) -> None:
    """Raise `UsageError` where a user's network does not give one row of one output per class."""
    wanted = max(1, classes)
    found = summary(model, (3, *preprocess.size)).output_shape
    if found != (wanted,):
        outputs = " x ".join(map(str, found)) or "no"
        raise UsageError(
            f"the network gives {outputs} outputs for a picture, and {wanted} are needed",
            hint="Replace its last layer, or put one behind it: "
            f"nn.Sequential(net, nn.Linear({found[-1] if found else '...'}, {wanted})).",
        )


def require_sizes(model: nn.Module, full: tuple[int, int]) -> None:
    """Raise `UsageError` where a network cannot see the smaller pictures that a training begins with."""
    device, dtype = place_of(model)
    for size in smaller_sizes(full):
        try:
            probe(model, torch.zeros(2, 3, *size, device=device, dtype=dtype))
        except UsageError as error:
            raise UsageError(
                f"small_first begins with pictures of {size[1]} x {size[0]}, and {error.message}",
                hint="Say small_first=0, or end the network with AdaptiveAvgPool2d before its linear layers.",
            ) from error


def _part(name: str, value: Any) -> Any:
    """The object for a part, or the one that it stands for."""
    if name == "preprocess":
        return preprocess_of(value)
    if name == "augment":
        return augmentation_of(value)
    if name == "loss" and isinstance(value, type):
        with naming_faults("loss", f"{value.__name__}()", "Give the loss itself, not its class."):
            value = value()
    if name == "model" and not isinstance(value, nn.Module):
        hint = f"Write {value.__name__}()." if isinstance(value, type) else ""
        raise UsageError(f"model={value!r} is neither a name nor an nn.Module", hint=hint)
    if not callable(value) and not isinstance(value, torch.optim.Optimizer):
        raise UsageError(f"{name}={value!r} is neither a word nor something to call")
    return value


def _sized(recipe: Recipe, parts: Parts) -> Recipe:
    """The recipe with the size, fit and values of the user's own transforms."""
    preprocess, augment = parts.preprocess, parts.augment
    if augment is not None and (asked := recipe.asked(("flip", "shift", *OF_A_PICTURE))):
        raise UsageError(
            f"{asked}: augment= says alone what is done to a training picture",
            hint="Put RandomHorizontalFlip, RandomResizedCrop, ColorJitter or RandomErasing into it.",
        )
    if preprocess is None:
        found: dict[str, Any] = {}
        if augment is not None and augment.size is not None:
            found["image_size"] = augment.size[0]
        if augment is not None and augment.normal is not None:
            found["normalize"] = _normal_word(augment.normal)
            if found["normalize"] == OWN:
                raise UsageError(
                    f"augment: Normalize{augment.normal} has no word for it",
                    hint="Give the transforms that pictures are measured with as well: preprocess=...",
                )
        return recipe.changed(**{n: v for n, v in found.items() if getattr(recipe, n) is None})
    normal = (preprocess.mean, preprocess.std)
    if augment is not None and augment.normal not in (None, normal):
        raise UsageError(f"augment normalizes by {augment.normal}, and preprocess by {normal}")
    said = {
        "image_size": preprocess.size[0],
        "fit": preprocess.fit,
        "normalize": _normal_word(normal),
    }
    for name, value in said.items():
        if getattr(recipe, name) not in (None, value):
            raise UsageError(f"{name}={getattr(recipe, name)}, and preprocess= says {value}")
    return recipe.changed(**said)


def _normal_word(normal: tuple[tuple[float, ...], tuple[float, ...]]) -> str:
    return next((word for word, values in NORMALS.items() if values == normal), OWN)
