"""Whether two pictures, laid over each other, are one picture: what is left between them, place by place.

A copy differs by what a codec, a resize or a change of light leaves everywhere. A second photo of the same scene
has moved something: there the difference is as large as the detail itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensmith.audit.alignment import Windows, correlation, lay
from lensmith.audit.resampling import Floats, smoothed

_TILES = 8
"""Tiles along each side, in which the difference is judged."""
_DARKEST, _BRIGHTEST = 4.0, 251.0
"""Levels beyond which a pixel may have been anything."""
_DISPLACED = 0.35
"""Pixels: what lies over its like no nearer than this differs by so much of its slopes."""
_NOISE = 4.0
"""Levels by which smoothed pixels of a copy differ anyway."""
_GREYISH = 10.0


@dataclass(frozen=True)
class Likeness:
    """Of P pairs, float32 [P] each.

    whole: the correlation of the two; detail: that of their fine detail; apart: how much the tile that fits
    worst differs, where 1 is what a copy may; colour: by how much of its colour; contrast: levels.
    """

    whole: Floats
    detail: Floats
    apart: Floats
    colour: Floats
    contrast: Floats


@dataclass(frozen=True)
class Bounds:
    """What a pair has to show. See `Likeness`; `squeezed` is by how much more one axis may have been resized."""

    whole: float
    detail: float
    apart: float
    colour: float
    contrast: float = 6.0
    squeezed: float = 1.06

    def hold(self, found: Likeness) -> NDArray[np.bool_]:
        """Which pairs do."""
        like = (found.whole >= self.whole) & (found.detail >= self.detail) & (found.contrast >= self.contrast)
        return np.asarray(like & (found.apart <= self.apart) & (found.colour <= self.colour))


COPY = Bounds(whole=0.95, detail=0.85, apart=1.3, colour=0.35, squeezed=1.06)
"""For photos at 96 x 96 and more."""
SMALL_COPY = Bounds(whole=0.95, detail=0.85, apart=1.75, colour=0.6, squeezed=1.5)
"""For smaller ones, which are often squeezed into squares."""
MAYBE = Bounds(whole=0.9, detail=0.5, apart=3.0, colour=0.6, squeezed=1.06)
"""For thumbnails of photos, which are then read once more."""


def likeness(first: Floats, second: Floats, windows: Windows) -> Likeness:
    """How well the first of each pair, in its window, gives the second. [P, n, n, 3], levels of 0 to 255."""
    laid, inside = lay(first, windows)
    laid, second = smoothed(laid), smoothed(second)
    gain, offset = _light(laid.mean(-1), second.mean(-1), inside)
    given = (gain[..., None] * laid + offset[..., None]).clip(0, 255)
    left = second - given
    grey, wanted, there = left.mean(-1), second.mean(-1), laid.mean(-1)
    unknown = ((there >= _BRIGHTEST) | (wanted <= _DARKEST)) & (grey > 0)
    unknown |= ((there <= _DARKEST) | (wanted >= _BRIGHTEST)) & (grey < 0)
    area = np.maximum(_tiles(inside), 1e-6)
    missed = _tiles(np.where(unknown, 0, grey) ** 2 * inside) / area
    slopes = _tiles(_steepness(wanted) * inside) / area
    apart = missed / (_DISPLACED**2 * slopes + _NOISE**2)
    tint, own = left - grey[..., None], second - wanted[..., None]
    return Likeness(
        correlation(there, wanted, inside),
        correlation(_detail(there), _detail(wanted), inside),
        np.sqrt(np.where(area > 0.5, apart, 0).max((1, 2))),
        _spread(tint, inside) / (_spread(own, inside) + _GREYISH),
        _spread(wanted[..., None], inside),
    )


def _light(first: Floats, second: Floats, inside: Floats) -> tuple[Floats, Floats]:
    """The gain and the offset that take the first to the second, [P, 1, 1], from pixels that are not cut off."""
    known = inside * (first > _DARKEST) * (first < _BRIGHTEST) * (second > _DARKEST) * (second < _BRIGHTEST)
    enough = known.mean((1, 2), keepdims=True) > 0.05
    known = np.where(enough, known, inside)
    area = np.maximum(known.sum((1, 2), keepdims=True), 1)
    mean, aim = ((part * known).sum((1, 2), keepdims=True) / area for part in (first, second))
    together = ((first - mean) * (second - aim) * known).sum((1, 2), keepdims=True)
    gain = together / np.maximum(((first - mean) ** 2 * known).sum((1, 2), keepdims=True), 1e-6)
    return gain, aim - gain * mean


def _steepness(grey: Floats) -> Floats:
    down, right = np.gradient(grey, axis=(1, 2))
    found: Floats = down**2 + right**2
    return found


def _detail(grey: Floats) -> Floats:
    return grey - smoothed(smoothed(grey))


def _tiles(values: Floats) -> Floats:
    """Means of tiles: [P, n, n] -> [P, _TILES, _TILES], what does not fill a tile left out."""
    count, size, _ = values.shape
    side = size // _TILES
    whole = values[:, : side * _TILES, : side * _TILES]
    found: Floats = whole.reshape(count, _TILES, side, _TILES, side).mean((2, 4))
    return found


def _spread(values: Floats, inside: Floats) -> Floats:
    """The standard deviation of [P, n, n, C] where `inside` is 1."""
    weights = inside[..., None]
    area = np.maximum(weights.sum((1, 2), keepdims=True), 1)
    apart = (values - (values * weights).sum((1, 2), keepdims=True) / area) * weights
    found: Floats = np.sqrt((apart**2).sum((1, 2, 3)) / area[:, 0, 0, 0] / values.shape[-1])
    return found
