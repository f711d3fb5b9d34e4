"""Some of the pictures, each class in its share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lensmith.data.dataset import Target


def stratified_rows(targets: Sequence[Target], most: int, seed: int = 0) -> NDArray[np.int64]:
    """Rows of at most `most` pictures, ascending, drawn evenly through the classes, the sets of labels or the numbers
    in their order: int64 [min(most, N)]. The same seed draws the same rows."""
    count = len(targets)
    if count <= most:
        return np.arange(count)
    draw = np.random.default_rng(seed).permutation(count)
    order = np.array(sorted(range(count), key=lambda row: (targets[row], draw[row])), np.int64)
    places = (np.arange(most) * count + count // 2) // most
    rows: NDArray[np.int64] = np.sort(order[places])
    return rows
