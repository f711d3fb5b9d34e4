"""What is kept of the training pictures, so that pictures unlike them are marked later."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from lensmith.bundle.bundle import Bundle
from lensmith.data.target_array import target_array
from lensmith.features.neighbours import FEWEST, MOST, Neighbours, choose_rows, find_neighbours
from lensmith.pictures.decode import Pixels
from lensmith.store.store import decode_column
from lensmith.training.learned import Learned
from lensmith.training.prepare import Prepared
from lensmith.types import Event

_FEWER, _ASKED = 200, 300
"""Of a network that learned itself, pictures that are kept and those that set the limit: they are looked at anew."""


def keep_neighbours(bundle: Bundle, prepared: Prepared, learned: Learned) -> Generator[Event, None, Bundle]:
    """The bundle with neighbours, where its network ends in a linear layer and there is something to set a limit by.

    Features that learned nothing from the pictures compare them with each other; of a network that did, pictures
    that it did not learn from set the limit, and without such there is none.
    """
    targets = target_array(prepared.column.matching(prepared.roles.train))
    targets = targets[:, 0] if prepared.data.task == "regression" else targets
    found: Neighbours | None = None
    if learned.seen is not None:
        rows = choose_rows(targets, MOST, prepared.plan.recipe.seed)
        found = find_neighbours(learned.seen.features[rows])
    elif learned.apart is not None and len(learned.apart.pixels) >= FEWEST:
        learnt = np.setdiff1d(np.arange(len(targets)), learned.held_back)
        rows = learnt[choose_rows(targets[learnt], _FEWER, prepared.plan.recipe.seed)]
        unseen = bundle.features(learned.apart.pixels[:_ASKED])
        kept = None if unseen is None else bundle.features((yield from _as_measured(prepared, rows)))
        found = None if kept is None else find_neighbours(kept, unseen)
    return bundle if found is None else bundle.with_neighbours(found)


def _as_measured(prepared: Prepared, rows: NDArray[np.intp]) -> Generator[Event, None, Pixels]:
    """Training pictures as measuring sees them, uint8 [n, H, W, 3]."""
    column = prepared.column
    if column.pixels.shape[1:3] == prepared.preprocess.size:
        return column.pixels[np.sort(rows)]
    used = column.matching(prepared.roles.train)
    some = used.with_examples([used.examples[row] for row in np.sort(rows).tolist()])
    return (yield from decode_column(some, prepared.preprocess)).pixels
