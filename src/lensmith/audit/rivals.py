"""A copy is nearer to its picture than anything else: pictures of one kind are about as near to many of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lensmith.audit.likeness import Likeness
from lensmith.audit.pairs import Pairs

_TIMES, _LEAST = 2.0, 0.5
"""What differs less than so many times as much as a pair is a rival of it; as much as what differs less than the
second counts as that."""
_LIKE = 0.9
"""The correlation from which on pictures can be rivals."""
_MOST = 2
"""Rivals that a pair may have which is a copy by its own figures; any other may have none."""
_SCALE = 1e-4


def stand_out(
    pairs: Pairs, found: Likeness, surely: NDArray[np.bool_], perhaps: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which pairs are copies, bool [P]: of those that surely are by their figures, the ones with few rivals, and of
    those that may be, the ones with none. Copies that were found are no rivals of one another."""
    first, second = np.minimum(pairs.first, pairs.second), np.maximum(pairs.first, pairs.second)
    order = np.lexsort((found.apart, second, first))
    new = np.ones(len(pairs), np.bool_)
    new[1:] = (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)
    best = order[new]  # of each two pictures the way in which they differ least
    which = np.empty(len(pairs), np.int64)
    which[order] = np.cumsum(new) - 1
    rows, apart = np.stack([first[best], second[best]], 1), found.apart[best].astype(np.float64)
    like = np.zeros(len(best), np.bool_)
    like[which[found.whole >= _LIKE]] = True
    tight, loose = (np.zeros(len(best), np.bool_) for _ in range(2))
    tight[which[surely]] = True
    loose[which[perhaps]] = True
    copies = tight & (_rivals(rows, apart, tight, like & ~tight) <= _MOST)
    loose &= ~copies
    copies |= loose & (_rivals(rows, apart, loose, like & ~copies) == 0)
    return (surely | perhaps) & copies[which]


def _rivals(
    rows: NDArray[np.int64],
    apart: NDArray[np.float64],
    asked: NDArray[np.bool_],
    others: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """For each of `asked` how many of `others` are about as near to either of its pictures, [B]; 0 elsewhere."""
    counts = np.zeros(len(rows), np.int64)
    near = np.minimum(apart * _SCALE, 0.4)
    known = np.sort(
        (rows[others] + near[others, None]).ravel()
    )  # a picture's row, and behind the point how far
    limits = np.minimum(np.maximum(apart, _LEAST) * _TIMES * _SCALE, 0.5)[asked, None]
    found = np.searchsorted(known, rows[asked] + limits) - np.searchsorted(known, rows[asked].astype(float))
    counts[asked] = found.max(1) - others[asked]
    return counts
