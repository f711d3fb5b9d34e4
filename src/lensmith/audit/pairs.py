"""Pairs of pictures with how each is laid and where one lies in the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensmith.audit.alignment import Windows
from lensmith.audit.likeness import Bounds
from lensmith.audit.resampling import TURNS, Floats, averaging, resampled, turned
from lensmith.pictures.decode import Pixels

_WHOLE = 0.04
"""How far a window may be from the whole picture and still be that."""


@dataclass(frozen=True)
class Pairs:
    """The second picture of each pair, laid by its turn, is the window of the first one laid by its.

    first, second: int64 [P]; turns: uint8 [P, 2].
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    turns: NDArray[np.uint8]
    windows: Windows

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, chosen: slice | NDArray[np.generic]) -> Pairs:
        windows = Windows(self.windows.start[chosen], self.windows.length[chosen])
        return Pairs(self.first[chosen], self.second[chosen], self.turns[chosen], windows)

    def smaller_side(self, sizes: NDArray[np.int32]) -> NDArray[np.int32]:
        """The shortest side of either picture, int32 [P]. sizes: int32 [N, 2]."""
        smaller: NDArray[np.int32] = np.minimum(sizes[self.first].min(1), sizes[self.second].min(1))
        return smaller

    def laid_as(self, sizes: NDArray[np.int32], bounds: Bounds) -> NDArray[np.bool_]:
        """Which windows are within bounds. sizes: int32 [N, 2]."""
        first, second = (
            np.where(turns[:, None] & 4, sizes[rows][:, ::-1], sizes[rows])
            for rows, turns in ((self.first, self.turns[:, 0]), (self.second, self.turns[:, 1]))
        )
        scale = self.windows.length * first / second
        even = scale.max(1) / scale.min(1) <= bounds.squeezed
        whole = self.windows.off_the_whole() < _WHOLE
        return np.asarray(even & whole if bounds.whole_only else even)


def joined(parts: list[Pairs]) -> Pairs:
    """One after the other; at least one."""
    start, length = (
        np.concatenate([getattr(part.windows, name) for part in parts]) for name in ("start", "length")
    )
    first, second, turns = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("first", "second", "turns")
    )
    return Pairs(first, second, turns, Windows(start, length))


def squares(thumbs: Pixels, rows: NDArray[np.int64], turns: NDArray[np.uint8], side: int) -> Floats:
    """Thumbnails brought to a side and laid: float32 [P, side, side, 3], levels of 0 to 255."""
    matrix = averaging(thumbs.shape[1], side)
    found = np.empty((len(rows), side, side, 3), np.float32)
    for turn in range(TURNS):
        chosen = np.flatnonzero(turns == turn)
        if len(chosen):
            pictures = thumbs[rows[chosen]].astype(np.float32)
            small = pictures if thumbs.shape[1] == side else resampled(pictures, matrix, matrix)
            found[chosen] = turned(small, turn)
    return found
