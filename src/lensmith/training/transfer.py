"""A linear head on the features of a network that stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lensmith.batches.batches import laid_out
from lensmith.data.bonds import bond_numbers
from lensmith.errors import UsageError
from lensmith.evaluation.calibration import Unseen
from lensmith.features.embed import Features, embed
from lensmith.features.linear import STRENGTHS, LinearHead, fit_linear
from lensmith.models.heads import find_head
from lensmith.planning.pace import Pace
from lensmith.training.prepare import Prepared
from lensmith.types import Event


@dataclass(frozen=True)
class Seen:
    """What a network sees in the training pictures, before its last layer.

    features: [views * N, D]; targets: of each row; pictures: int64 [views * N], which picture a row is a view of;
    together: int64 [N], the same number for pictures that belong together.
    """

    features: Features
    targets: NDArray[Any]
    pictures: NDArray[np.int64]
    together: NDArray[np.int64]


def fit_head(prepared: Prepared) -> Generator[Event, None, tuple[LinearHead, Unseen]]:
    """Features of every training picture once (mirrored too, where that keeps its meaning), then the head; and what
    is said of pictures out of fold."""
    seen = yield from see(prepared)
    head = put_head(prepared, seen)
    return head, out_of_fold(head, seen)


def see(prepared: Prepared) -> Generator[Event, None, Seen]:
    """Features of every training picture, and of its mirror image where that means the same."""
    recipe = prepared.plan.recipe
    assert recipe.device
    pixels, targets = prepared.column.pixels, prepared.batches.targets.cpu().numpy()
    below = features_below(prepared)
    device, processes = recipe.device, prepared.processes
    found = yield from _paced(embed(below, pixels, prepared.preprocess, device=device, processes=processes))
    pictures = np.arange(len(found))
    together = bond_numbers(prepared.column.matching(prepared.roles.train))
    if not recipe.flip:
        return Seen(found, targets, pictures, together)
    mirrored = pixels[:, :, ::-1]
    again = yield from _paced(embed(below, mirrored, prepared.preprocess, device=device, processes=processes))
    return Seen(
        np.concatenate([found, again]),
        np.concatenate([targets, targets]),
        np.concatenate([pictures, pictures]),
        together,
    )


def _paced(looking: Generator[Event, None, Features]) -> Generator[Event, None, Features]:
    """Go on with fewer threads where another process takes a core. Features are the same bits by any number of
    them, so no repeat has to follow."""
    threads, pace, index = torch.get_num_threads(), Pace(unit="batch"), 0
    try:
        while True:
            yield next(looking)
            index += 1
            for change in pace.step(index):
                torch.set_num_threads(int(change.value))
                yield Event("warning", change.words)
    except StopIteration as end:
        found: Features = end.value
        return found
    finally:
        torch.set_num_threads(threads)


def put_head(prepared: Prepared, seen: Seen, left_out: NDArray[np.bool_] | None = None) -> LinearHead:
    """Fit the head and put it into the network. left_out: bool [N], pictures that it must not know."""
    head, fitted = _head(prepared), fitted_head(prepared, seen, left_out)
    with torch.no_grad():
        head.weight.copy_(fitted.weight)
        head.bias.copy_(fitted.bias)
    return fitted


def fitted_head(prepared: Prepared, seen: Seen, left_out: NDArray[np.bool_] | None = None) -> LinearHead:
    """The head alone; the network stays as it is. left_out: as for `put_head`."""
    recipe, head = prepared.plan.recipe, _head(prepared)
    assert recipe.task
    rows = slice(None) if left_out is None else ~left_out[seen.pictures]
    return fit_linear(
        seen.features[rows],
        seen.targets[rows],
        head.out_features,
        recipe.task,
        seen.together[seen.pictures][rows],
        recipe.seed,
        strengths=STRENGTHS if recipe.penalty is None else (recipe.penalty,),
    )


def out_of_fold(head: LinearHead, seen: Seen) -> Unseen:
    """What the heads that were fitted to choose a penalty said of the pictures that each had not seen.

    head: fitted to all that was seen.
    """
    count = int(seen.pictures.max()) + 1  # the first view of each picture is how measuring sees it
    said, targets = head.unseen[:count].numpy(), seen.targets[:count]
    left_out = np.isfinite(said).all(axis=1)
    return Unseen(said[left_out], targets[left_out], "training pictures, each by a head that had not seen it")


def _head(prepared: Prepared) -> nn.Linear:
    name, head = find_head(prepared.model)
    if not isinstance(head, nn.Linear):
        raise UsageError(
            f"the last layer of {prepared.plan.recipe.model}, {name}, is no Linear",
            hint="Say freeze=false to train it.",
        )
    return head


def features_below(prepared: Prepared) -> Callable[[Tensor], Tensor]:
    """What goes into the head, for whatever network it is the last layer of; puts the network in eval mode."""
    model, head, recipe = prepared.model.eval(), _head(prepared), prepared.plan.recipe
    low = recipe.precision == "bfloat16"

    def features(images: Tensor) -> Tensor:
        seen: list[Tensor] = []
        hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            with torch.autocast(images.device.type, torch.bfloat16, enabled=low):
                model(laid_out(images, recipe.layout))
        finally:
            hook.remove()
        return seen[0].flatten(1)

    return features
