"""The most similar pictures, by the angle between what a network sees in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.features.embed import Features

_AT_ONCE = 1 << 24
"""Similarities computed together: 64 MB."""


def nearest(
    asked: Features, known: Features, count: int
) -> tuple[NDArray[np.int64], NDArray[np.floating[Any]]]:
    """For each row of `asked`, [M, D], the `count` most similar rows of `known`, [N, D]: their indices, int64
    [M, count], the most similar first, and the cosine of the angle to each, float32 [M, count]."""
    count = min(count, len(known))
    directions = _directions(known).T
    rows = np.empty((len(asked), count), np.int64)
    cosines = np.empty((len(asked), count), np.float32)
    step = max(1, _AT_ONCE // len(known))
    for start in range(0, len(asked), step):
        part = slice(start, start + step)
        near = _directions(asked[part]) @ directions
        first = np.argpartition(-near, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(near, first, axis=1)
        order = np.lexsort((first, -values), axis=1)
        rows[part] = np.take_along_axis(first, order, axis=1)
        cosines[part] = np.take_along_axis(values, order, axis=1)
    return rows, cosines


def _directions(features: Features) -> Features:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    found: Features = features / np.maximum(lengths, 1e-12)
    return found
