"""The pictures' own size, by a few of them."""

from __future__ import annotations

from lensmith.data.dataset import ImageDataset
from lensmith.errors import PictureError

SMALL_SIDE = 96
"""Pixels: pictures that are no larger are small."""
_SAMPLED = 32


def native_size(data: ImageDataset) -> tuple[int | None, str]:
    """The pictures' own side where all are small and alike, and what they are in words."""
    shapes = set()
    for index in range(0, len(data), max(1, len(data) // _SAMPLED)):
        try:
            shapes.add(data.pixels(index).shape[:2])
        except PictureError:
            continue  # the store will say which and why
        if len(shapes) > 1:
            break
    if len(shapes) != 1:
        return None, "of several sizes"
    height, width = next(iter(shapes))
    small = max(height, width) <= SMALL_SIDE
    if small:
        return min(height, width), f"the pictures are {width} x {height}"
    return None, f"of {width} x {height}"
