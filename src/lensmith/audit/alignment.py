"""Laying one picture over another: where its window begins and how long it is, refined until the two agree.

The window of the first picture, times a gain, plus an offset, is to become the second one. Gauss-Newton steps on the
squared difference (B. D. Lucas, T. Kanade, IJCAI 1981), for many pairs at once; shift and scale of each axis
are free, since pictures are made square first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensmith.audit.resampling import Floats, sampling

SCALES = (0.7, 1.4)
"""Lengths of a window that are believed."""
_LONGEST_STEP = 0.05
_LEAST_OVERLAP = 0.65
_HELD = np.array([1, 1, 1, 1, 0, 0], np.float32)


@dataclass(frozen=True)
class Windows:
    """Where the second picture lies in the first: start and length on each axis, float32 [P, 2], of 1."""

    start: Floats
    length: Floats

    def off_the_whole(self) -> Floats:
        """How far each is from being the whole picture, [P]."""
        found: Floats = np.maximum(np.abs(self.start), np.abs(self.length - 1)).max(1)
        return found


def whole_windows(count: int) -> Windows:
    """The second picture is all of the first."""
    return Windows(np.zeros((count, 2), np.float32), np.ones((count, 2), np.float32))


def align(first: Floats, second: Floats, windows: Windows, steps: int) -> tuple[Windows, Floats]:
    """The windows after some steps, or as they were where that was better, and the correlation of the two pictures
    there, [P]; 0 where they have too little in common. first, second: float32 [P, n, n].
    """
    before, refined = _agreement(first, second, windows), windows
    for _ in range(steps):
        refined = _step(first, second, refined)
    after = _agreement(first, second, refined)
    better = (after > before)[:, None]
    start, length = (
        np.where(better, new, old)
        for new, old in ((refined.start, windows.start), (refined.length, windows.length))
    )
    return Windows(start, length), np.maximum(after, before)


def _agreement(first: Floats, second: Floats, windows: Windows) -> Floats:
    laid, inside = _laid(first, windows)
    found: Floats = np.where(_believed(windows, inside), correlation(laid, second, inside), 0)
    return found


def _step(first: Floats, second: Floats, windows: Windows) -> Windows:
    count, size, _ = first.shape
    rows, row_slopes, rows_inside = sampling(windows.start[:, 0], windows.length[:, 0], size)
    columns, column_slopes, columns_inside = sampling(windows.start[:, 1], windows.length[:, 1], size)
    across = columns.swapaxes(1, 2)
    narrow = first @ across
    laid = rows @ narrow
    down, right = row_slopes @ narrow, (rows @ first) @ column_slopes.swapaxes(1, 2)
    inside = rows_inside[:, :, None] * columns_inside[:, None, :]
    places = (np.arange(size, dtype=np.float32) + 0.5) / size
    parts = [down, down * places[:, None], right, right * places, laid, np.ones_like(laid)]
    design = np.stack([part * inside for part in parts], 1).reshape(count, 6, size**2)
    normal = design @ design.swapaxes(1, 2)
    wanted = design @ (second * inside).reshape(count, size**2, 1)
    # A picture without slopes in a direction says nothing about it: such steps are held short.
    strength = normal[:, range(6), range(6)]
    normal[:, range(6), range(6)] += 1e-3 * (strength + strength[:, :4].mean(1, keepdims=True) * _HELD + 1)
    found = np.linalg.solve(normal, wanted)[:, :, 0]
    gain = found[:, 4:5]
    step = np.where(gain > 0.2, found[:, :4] / np.maximum(gain, 0.2), 0)
    step = step.clip(-_LONGEST_STEP, _LONGEST_STEP).astype(np.float32)
    return Windows(windows.start + step[:, [0, 2]], windows.length + step[:, [1, 3]])


def _laid(first: Floats, windows: Windows) -> tuple[Floats, Floats]:
    size = first.shape[1]
    rows, _, rows_inside = sampling(windows.start[:, 0], windows.length[:, 0], size)
    columns, _, columns_inside = sampling(windows.start[:, 1], windows.length[:, 1], size)
    return rows @ first @ columns.swapaxes(1, 2), rows_inside[:, :, None] * columns_inside[:, None, :]


def lay(pictures: Floats, windows: Windows) -> tuple[Floats, Floats]:
    """The windows of pictures in colour, [P, n, n, C], and what of them is inside the pictures, [P, n, n]."""
    parts = [_laid(pictures[..., channel], windows) for channel in range(pictures.shape[-1])]
    return np.stack([part for part, _ in parts], -1), parts[0][1]


def _believed(windows: Windows, inside: Floats) -> NDArray[np.bool_]:
    sane = (windows.length > SCALES[0]) & (windows.length < SCALES[1])
    return np.asarray(sane.all(1) & (inside.mean((1, 2)) >= _LEAST_OVERLAP))


def correlation(first: Floats, second: Floats, inside: Floats) -> Floats:
    """Of each pair of pictures, [P, n, n], where `inside` is 1."""
    area = np.maximum(inside.sum((1, 2), keepdims=True), 1)
    one = (first - (first * inside).sum((1, 2), keepdims=True) / area) * inside
    two = (second - (second * inside).sum((1, 2), keepdims=True) / area) * inside
    lengths = np.sqrt((one**2).sum((1, 2)) * (two**2).sum((1, 2)))
    found: Floats = (one * two).sum((1, 2)) / np.maximum(lengths, 1e-6)
    return found
