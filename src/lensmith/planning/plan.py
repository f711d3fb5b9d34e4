"""What a recipe leaves open is chosen here, once, before the first step, each choice with its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lensmith.data.dataset import ImageDataset
from lensmith.data.native import SMALL_SIDE, native_size
from lensmith.errors import UsageError
from lensmith.machine.runtime import Runtime
from lensmith.models.packaged import BACKBONE, ENLARGED, is_there
from lensmith.runs.fields import OWN, seconds_of
from lensmith.runs.recipe import OF_A_BATCH, OF_A_PICTURE, Recipe
from lensmith.runs.user_code import is_in_file

_PHOTO_SIZE = 128
_LARGE, _SMALLEST = 96, 32
"""Side from which on pictures are worth making smaller at first; where there are many, and a network of ours."""
_STEPS_WANTED = {"classification": 200, "multilabel": 300, "regression": 900}
MANY = 10_000
"""Training pictures from which on a larger network pays, and larger batches do."""
_LARGER = "resnet18"
_MANY_PHOTOS = 5_000
"""Photos from which on it is trained from scratch, and the fewest passes over them that it needs."""
_LEAST_PASSES = 16
_SECONDS_ON_CPU, _SECONDS_ON_GPU = 0.01, 0.0005
"""About what it takes for a photo in training, on two cores and on a GPU."""
_HIGHEST_RATES = {"sgd": 0.05, "adam": 0.002, "adamw": 0.002}
"""At a batch of 64, from untrained weights."""
_MUON_RATE, _MUON_RATES = 0.25, {"convnet_medium": 0.14, "convnet_large": 0.14}
"""Chosen on a tenth of CIFAR-10's training pictures."""
_ANY_SIZE = ("convnet", "convnext", "efficientnet", "mobilenet", "regnet", "resnet", "resnext")
"""How the names begin of networks that see pictures of any size."""
_SMALL = ("tutorial_net",)
SMALL_ALREADY = "convnet_tiny"
"""A network whose first layer has left of small pictures what there should be."""
DRAWN = (*OF_A_PICTURE, *OF_A_BATCH, "small_first")
_FEWEST = 400
"""Pictures from which on a tenth of them can tell whether fine-tuning a trained network pays."""
_MANY_TO_SPARE, _SPARED, _MOST_SPARED = 4_000, 1_000, 0.05
"""Training pictures from which on some are left out of a training from scratch; how many, and which share at most."""
_PASSES, _SECONDS_A_PICTURE = 6, 0.011
"""What fine-tuning takes about: passes, and seconds of a pass for a picture of 224 px on two cores; measuring a
picture takes half of that."""
_SHARE = 0.5
"""Of a budget, for that; the rest is for more passes."""
_LOSSES = {
    "classification": ("cross_entropy", "one class a picture"),
    "multilabel": ("binary_cross_entropy", "each label is a yes or no of its own"),
    "regression": ("l1", "the mean absolute error is what is reported"),
}


@dataclass(frozen=True)
class Plan:
    """A recipe with nothing left open, and why each choice was made: field -> words."""

    recipe: Recipe
    reasons: dict[str, str]

    def choosing(self, reason: str, **fields: Any) -> Plan:
        """The same plan with fields chosen for a reason; what was given stays as it is."""
        fields = {name: value for name, value in fields.items() if getattr(self.recipe, name) is None}
        return self.choosing_again(reason, **fields)

    def choosing_again(self, reason: str, **fields: Any) -> Plan:
        """The same plan with fields chosen anew, whatever was chosen before."""
        return Plan(self.recipe.changed(**fields), {**self.reasons, **dict.fromkeys(fields, reason)})


def choose(
    recipe: Recipe,
    train: ImageDataset,
    runtime: Runtime,
    held_out: int = 0,
    reasons: dict[str, str] | None = None,
) -> Plan:
    """Fill in what needs no timing. held_out: how many pictures will be measured at the end; reasons: of what
    was chosen before.

    Raises `UsageError` for what cannot be combined.
    """
    if recipe.task not in (None, train.task):
        raise UsageError(f"task={recipe.task}, and the targets of {train.name} are for {train.task}")
    plan = Plan(recipe, reasons or {}).choosing("what the targets are", task=train.task)
    plan = plan.choosing(runtime.reason, device=runtime.device)
    why = "so many has torchrun started" if runtime.world_size > 1 else "no more are asked for"
    plan = plan.choosing(why, processes=runtime.world_size)
    name, reason = _LOSSES[train.task]
    plan = _choose_network(plan.choosing(reason, loss=name), train, held_out)
    plan = _choose_augmentation(plan, train)
    count = len(train)
    plan = _choose_growth(plan, count)
    usual = 64 if count < MANY else 500 if _is_fast(plan) else 256
    usual = min(usual, 32 if count < MANY else 64) if plan.recipe.pretrained else usual
    batch = plan.recipe.batch_size or max(1, min(usual, count // 4))
    plan = plan.choosing(f"{count:,} training pictures", batch_size=batch)
    if plan.recipe.freeze:
        return _without_passes(plan)
    plan = _choose_optimizer(plan)
    if recipe.epochs == 0:
        raise UsageError("epochs=0: there is nothing to train", hint="Only a frozen network needs no passes.")
    if recipe.budget is None:
        steps = max(1, count // batch)
        least = _LEAST_PASSES if "model" in plan.reasons and plan.recipe.model == _LARGER else 4
        epochs = float(max(least, min(40, round(_STEPS_WANTED[train.task] / steps))))
        plan = plan.choosing(f"{epochs * steps:,.0f} steps of {batch} pictures", epochs=epochs)
    return plan


def _is_fast(plan: Plan) -> bool:
    """Whether a network of ours learns from scratch, for which the fast recipe was made."""
    return (plan.recipe.model or "").startswith("convnet")


def _choose_optimizer(plan: Plan) -> Plan:
    if _is_fast(plan) and plan.recipe.from_run is None:
        plan = plan.choosing("the fastest for filters that start untrained", optimizer="muon")
    plan = plan.choosing("needs little tuning", optimizer="adamw")
    name, batch = plan.recipe.optimizer or "", plan.recipe.batch_size or 1
    plan = plan.choosing(f"goes with {name}", schedule="linear" if name == "muon" else "onecycle")
    if name == "muon":
        return plan.choosing("its steps have a length of their own", lr=muon_rate(plan.recipe.model or ""))
    if name in _HIGHEST_RATES:  # a user's own knows its rate
        highest = _HIGHEST_RATES[name] * (0.2 if plan.recipe.pretrained else 1)
        return plan.choosing(f"{name} at a batch of {batch}", lr=round(highest * (batch / 64) ** 0.5, 6))
    return plan


def muon_rate(model: str) -> float:
    """The wider the network, the smaller."""
    return _MUON_RATES.get(model, _MUON_RATE)


def _choose_network(plan: Plan, train: ImageDataset, held_out: int) -> Plan:
    """Small pictures that are alike: a network of ours from scratch; photos: the packaged backbone."""
    recipe = plan.recipe
    if recipe.from_run is not None:
        return _choose_going_on(plan, train)
    size, kind = native_size(train)
    if recipe.image_size is not None and recipe.image_size <= SMALL_SIDE:
        size, kind = recipe.image_size, f"{recipe.image_size} px were asked for"
    packaged = is_there()
    if size is None and packaged and recipe.pretrained is not False:
        plan = plan.choosing(
            f"these are photos {kind}, such as it was pretrained on (ImageNet; its weights are installed)",
            model=BACKBONE,
        )
    else:
        name, why = _untrained(plan, len(train), size is None, kind)
        plan = plan.choosing(why, model=name)
    own = recipe.weights is not None or (plan.recipe.model == BACKBONE and packaged)
    words = "its weights are at hand" if own else "nothing is downloaded unasked"
    plan = plan.choosing(words, pretrained=own)
    trained = bool(plan.recipe.pretrained)
    if trained:
        return _as_published(
            _choose_fine_tuning(plan, len(train)), size, _PASSES * len(train) + held_out // 2
        )
    if recipe.freeze and recipe.model != OWN:
        raise UsageError(
            "freeze=true keeps trained weights as they are, and there are none", hint="Add pretrained=true."
        )
    plan = plan.choosing("every weight is new", freeze=False)
    plan = _choose_spared(plan, train)
    plan = plan.choosing("-1 to 1", normalize="half")
    plan = plan.choosing("the centre of the picture, nothing distorted", fit="crop")
    return plan.choosing(kind, image_size=size or _PHOTO_SIZE)


def _choose_going_on(plan: Plan, train: ImageDataset) -> Plan:
    """What there is goes on; a network of thousands of photos as any other that comes trained."""
    name = plan.recipe.model or ""
    plan = plan.choosing(f"the weights of {plan.recipe.from_run} are gone on from", pretrained=True)
    if _is_fast(plan) or name in _SMALL or name == OWN or is_in_file(name):
        plan = plan.choosing("a network of this size learns with all its layers", freeze=False)
        if _FEWEST <= len(train) < _MANY_TO_SPARE:
            plan = plan.choosing("to tell whether going on pays", choice_fraction=0.1)
        return _choose_spared(plan, train)
    return _choose_fine_tuning(plan, len(train))


def _untrained(plan: Plan, count: int, photos: bool, kind: str) -> tuple[str, str]:
    """The name of a network that starts with no weights, and why that one."""
    small = "convnet" if count < MANY or plan.recipe.budget else "convnet_medium"
    if not photos:
        return small, kind
    why = f"no trained weights for photos {kind} are installed or wanted"
    if count < _MANY_PHOTOS:
        return small, why
    needed = _LEAST_PASSES * count * (_SECONDS_ON_CPU if plan.recipe.device == "cpu" else _SECONDS_ON_GPU)
    if plan.recipe.budget is not None and seconds_of(plan.recipe.budget) < needed:
        return small, f"{why}, and {plan.recipe.budget} are too short for {_LARGER}"
    return _LARGER, f"{why}, and {count:,} are enough for a larger network to learn from"


def _choose_spared(plan: Plan, train: ImageDataset) -> Plan:
    """Pictures to learn from them how sure an answer is, where that is little of all."""
    if train.task == "regression":
        return plan.choosing("a number has no probability", choice_fraction=0.0)
    count = len(train)
    if count < _MANY_TO_SPARE:
        return plan.choosing(f"{count:,} training pictures are too few to spare any", choice_fraction=0.0)
    share = round(min(_MOST_SPARED, _SPARED / count), 4)
    return plan.choosing("to tell how sure an answer is", choice_fraction=share)


def _choose_fine_tuning(plan: Plan, count: int) -> Plan:
    """Whether all layers go on learning after the last one: asked for by passes, or by a budget where enough
    pictures can be held back to tell whether it pays."""
    recipe = plan.recipe
    if recipe.epochs or recipe.augment or recipe.asked(DRAWN):
        plan = plan.choosing("passes over the pictures are asked for", freeze=False)
    elif not recipe.budget:
        why = "a linear last layer learns in seconds; a time, such as --budget 5m, lets all layers learn too"
        plan = plan.choosing(why, freeze=True)
    elif count < _FEWEST:
        why = f"{count:,} training pictures are too few to learn more from, or to tell; from {_FEWEST} on it is tried"
        plan = plan.choosing(why, freeze=True)
    else:
        plan = plan.choosing("there is a budget, and pictures to tell whether it pays", freeze=False)
    few = plan.recipe.freeze or count < _FEWEST
    why = "too few to spare any" if count < _FEWEST else "to tell whether fine-tuning pays"
    return plan.choosing("nothing is compared" if recipe.freeze else why, choice_fraction=0.0 if few else 0.1)


def head_alone(plan: Plan, short: UsageError) -> Plan:
    """The plan of a budget that is too short for passes: the last layer alone. Raises `short` where it is not
    for the plan to decide."""
    if not plan.recipe.pretrained or "freeze" not in plan.reasons:
        raise short
    plan = plan.choosing_again("the last layer alone is trained", epochs=0.0, choice_fraction=0.0)
    return plan.choosing_again(short.message, freeze=True)


def _as_published(plan: Plan, side: int | None, seen: int) -> Plan:
    """Pictures as the network knows them from its training; small ones (of `side`) not quite as large."""
    from lensmith.models.published import published

    assert plan.recipe.model is not None
    size = int(published(plan.recipe.model, plan.recipe.image_size or 224)["size"])
    plan = plan.choosing("as it was pretrained", normalize="pretrained")
    if side is not None and ENLARGED * side < size and plan.recipe.model == BACKBONE:
        plan = _choose_enlargement(plan, side, size, seen)
    plan = plan.choosing("as it was pretrained", image_size=size)
    return plan.choosing("the centre of the picture, nothing distorted", fit="crop")


def _choose_enlargement(plan: Plan, side: int, size: int, seen: int) -> Plan:
    """The larger, the better and the slower: four times the side, and with a budget as large as it allows.

    seen: how many pictures will be seen in all.
    """
    recipe = plan.recipe
    if recipe.budget is None or recipe.device != "cpu":
        return plan.choosing(f"{ENLARGED} x the {side} px of the pictures", image_size=ENLARGED * side)
    sizes = [one for one in range(32, size + 1, 32) if one >= 3 * side]
    time = _SHARE * seconds_of(recipe.budget)
    fitting = [one for one in sizes if seen * _SECONDS_A_PICTURE * (one / size) ** 2 <= time]
    why = f"the pictures have {side} px: enlarged about as far as {recipe.budget} is enough for"
    return plan.choosing(why, image_size=max(fitting, default=sizes[0]))


def _choose_augmentation(plan: Plan, train: ImageDataset) -> Plan:
    mixing = plan.recipe.asked(OF_A_BATCH)
    if mixing and train.task == "regression":
        raise UsageError(
            f"{mixing}: a picture between two has no number between theirs that one could know",
            hint="Pictures of classes or labels can be mixed, whose shares are known.",
        )
    if plan.recipe.crop and plan.recipe.shift:
        raise UsageError(
            f"{plan.recipe.asked(('crop', 'shift'))}: a crop moves the picture already",
            hint="Leave one of them out.",
        )
    if plan.recipe.augment is not None:
        return plan.choosing("augment says what is done to training pictures", flip=False, shift=0.0)
    mirrored, reason = _flip(train)
    plan = plan.choosing(reason, flip=mirrored)
    if plan.recipe.crop:
        return plan.choosing("a crop moves the picture already", shift=0.0)
    if plan.recipe.task == "classification" and _is_fast(plan):
        return plan.choosing("a sixteenth of the side", shift=0.0625)
    if plan.recipe.task == "classification":
        return plan.choosing("an eighth of the side: what is shown stays what it is", shift=0.125)
    return plan.choosing("little: what a shift pushes out at the edge is part of the answer", shift=0.03)


def _choose_growth(plan: Plan, count: int) -> Plan:
    """Small pictures teach a network the most for its time, as long as it sees them large at the end."""
    recipe = plan.recipe
    if recipe.pretrained or recipe.freeze:
        return plan.choosing("its weights know pictures of this size", small_first=0.0)
    many = _is_fast(plan) and count >= MANY
    if (recipe.image_size or 0) < (_SMALLEST if many else _LARGE):
        return plan.choosing("the pictures are small already", small_first=0.0)
    if recipe.model == SMALL_ALREADY:
        return plan.choosing("its first layer makes small pictures small enough", small_first=0.0)
    if not (recipe.model or "").startswith(_ANY_SIZE):
        return plan.choosing("this network may take one size alone", small_first=0.0)
    return plan.choosing("smaller pictures teach as well at first, in less time", small_first=0.5)


def _without_passes(plan: Plan) -> Plan:
    if plan.recipe.epochs or plan.recipe.augment or plan.recipe.asked(DRAWN):
        raise UsageError(
            "freeze=true fits a linear head without passes over the pictures",
            hint=f"Leave epochs, augment, {', '.join(DRAWN)} out, or say freeze=false to train the "
            "whole network.",
        )
    nothing: dict[str, Any] = {"epochs": 0.0, "lr": 0.0, "optimizer": "adamw", "schedule": "constant"}
    return plan.choosing("the head is fitted to features, not trained by steps", **nothing)


def _flip(train: ImageDataset) -> tuple[bool, str]:
    """Mirroring changes what a digit, a letter or left and right mean."""
    if train.task == "regression":
        return False, "a number may depend on left and right"
    names = [name.lower() for name in train.classes]
    if any(len(name) == 1 and name.isalnum() for name in names):
        return False, "the classes are digits or letters, which mirroring changes"
    if any({"left", "right"} & set(re.split("[^a-z]+", name)) for name in names):
        return False, "the classes tell left from right"
    return True, "nothing in the class names speaks against mirroring"
