"""Training pictures that are held back: nothing is learned from them, so that choices can be made on them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from lensmith.data.bonds import bond_numbers
from lensmith.evaluation.calibration import Unseen
from lensmith.store.store import Column, open_column
from lensmith.training.choosing import outputs_on
from lensmith.training.prepare import Prepared
from lensmith.types import Event

_MOST = 2000


def hold_back(
    prepared: Prepared,
) -> Generator[Event, None, tuple[Prepared, NDArray[np.bool_] | None]]:
    """What is trained on and what choices are made on; and bool [N], the training pictures that are held back.

    By the recipe's `choice_fraction`, where the data have no split for choices. They are seen as measuring will
    see pictures.
    """
    recipe, column, count = prepared.plan.recipe, prepared.column, len(prepared.column.rows)
    held = min(_MOST, round(count * (recipe.choice_fraction or 0.0)))
    if prepared.choice is not None or not held:
        return prepared, None
    train = column.matching(prepared.roles.train)
    left_out = _drawn(bond_numbers(train), held, recipe.seed)
    if left_out.all():  # they all belong together
        return prepared, None
    others = train.with_examples([train.examples[row] for row in np.flatnonzero(left_out).tolist()])
    if column.pixels.shape[1:3] == prepared.preprocess.size:
        choice = Column(column.pixels[left_out], np.arange(len(others)), (), column.from_store)
    else:
        choice = yield from open_column(others, prepared.preprocess, store=recipe.store)
    return replace(
        prepared,
        # The last epoch is kept: the pictures held back are for what is chosen after it.
        plan=prepared.plan.choosing_again("its end is what is compared", keep="last")
        if recipe.keep == "best"
        else prepared.plan,
        batches=replace(prepared.batches, rows=torch.from_numpy(np.flatnonzero(~left_out))),
        roles=replace(prepared.roles, choice=others),
        choice=choice,
    ), left_out


def _drawn(together: NDArray[np.int64], held: int, seed: int) -> NDArray[np.bool_]:
    """bool [N]: about `held` of the pictures, those of one number all or none of them."""
    bonds = int(together.max()) + 1
    order = torch.randperm(bonds, generator=torch.Generator().manual_seed(seed)).numpy()
    sizes = np.cumsum(np.bincount(together)[order])
    chosen = order[: max(1, int(np.searchsorted(sizes, held, "right")))]
    return np.isin(together, chosen)


def said_of_choices(part: Prepared, left_out: NDArray[np.bool_] | None) -> Unseen | None:
    """What the network, as it is, says of the pictures for choices; None where there are none."""
    choice, column = part.roles.choice, part.choice
    if choice is None or column is None:
        return None
    outputs, targets = outputs_on(part, column, column.matching(choice))
    return Unseen(outputs, targets, "pictures of val" if left_out is None else "training pictures held back")
