"""Many pictures brought to windows of themselves at once: a matrix for the rows and one for the columns of each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

TURNS = 8
"""Ways to lay a square: bit 0 mirrors left and right, bit 1 top and bottom, bit 2 swaps rows and columns, last."""


def turned(pictures: Floats, turn: int) -> Floats:
    """[N, S, S, ...], each laid in the same of the `TURNS` ways."""
    if turn & 1:
        pictures = pictures[:, :, ::-1]
    if turn & 2:
        pictures = pictures[:, ::-1]
    return pictures.swapaxes(1, 2) if turn & 4 else pictures


def averaging(side: int, size: int, start: float = 0.0, length: float = 1.0) -> Floats:
    """[size, side]: what takes `side` pixels to `size` means of the part that begins at `start` and is `length`
    long (of 1), by triangles that overlap."""
    wide = max(1.0, length * side / size)
    middles = (start + (np.arange(size) + 0.5) / size * length) * side
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(side) + 0.5 - middles[:, None]) / wide)
    means: Floats = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return means


def resampled(pictures: Floats, rows: Floats, columns: Floats) -> Floats:
    """[N, S, S, C] by one matrix for the rows and one for the columns, [size, S] each -> [N, size, size, C]."""
    count, side, _, channels = pictures.shape
    tall = np.matmul(rows, pictures.reshape(count, side, side * channels))
    tall = tall.reshape(count, len(rows), side, channels)
    found: Floats = np.matmul(columns, tall)
    return found


def sampling(start: Floats, length: Floats, size: int) -> tuple[Floats, Floats, Floats]:
    """For pictures of `size` pixels a side: what samples each one's window at `size` places, linearly.

    start, length: [P], of 1 -> the matrices [P, size, size], their derivatives by `start`, and what is inside
    the picture, [P, size].
    """
    places = (np.arange(size, dtype=np.float32) + 0.5) / size
    at = (start[:, None] + length[:, None] * places) * size - 0.5
    inside = ((at > -0.75) & (at < size - 0.25)).astype(np.float32)
    here, before, after = (_weights(at + by, size) for by in (0, -0.5, 0.5))
    # Between half a pixel before and after: at a pixel itself a linear function has no slope of its own.
    return here, (after - before) * size, inside


def _weights(at: Floats, size: int) -> Floats:
    apart = np.clip(at, 0, size - 1)[:, :, None] - np.arange(size, dtype=np.float32)
    weights: Floats = np.maximum(0, 1 - np.abs(apart)).astype(np.float32)
    return weights


def smoothed(pictures: Floats) -> Floats:
    """[N, S, S, ...] with each pixel the mean of itself (half) and its neighbours, along both sides."""
    for axis in (1, 2):
        pictures = np.moveaxis(pictures, axis, 0)
        before = np.concatenate([pictures[:1], pictures[:-1]])
        after = np.concatenate([pictures[1:], pictures[-1:]])
        pictures = np.moveaxis((before + 2 * pictures + after) / 4, 0, axis)
    return np.ascontiguousarray(pictures)
