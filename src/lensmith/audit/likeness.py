"""Whether two pictures, laid over each other, are one picture: what is left between them, place by place.

A copy differs by what a codec, a resize or a change of light leaves everywhere. A second photo of the same scene
has moved something: there the difference is as large as the detail itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lensmith.audit.alignment import Windows, align, correlation, lay, whole_windows
from lensmith.audit.resampling import Floats, smoothed

_TILES = 8
"""Tiles along each side, in which the difference is judged."""
_DARKEST, _BRIGHTEST = 5.0, 238.0
"""Levels beyond which what a pixel stands for may have been cut off: it is the mean of several."""
_TOUCHED = 0.05
"""How much of a smoothed pixel may come from such ones."""
_TELLING = 0.005
"""The part of a picture that tells how its light was changed."""
_DISPLACED = 0.35
"""Pixels: what lies over its like no nearer than this differs by so much of its slopes."""
_NOISE = 4.0
"""Levels by which smoothed pixels of a copy differ anyway."""
_GREYISH = 10.0
"""Levels of colour below which a tint is not told from none."""
_NEARLY = 0.12
"""How far a window may be from the whole picture to be tried as that."""


@dataclass(frozen=True)
class Likeness:
    """Of P pairs, float32 [P] each.

    whole: the correlation of the two; detail: that of their fine detail; apart: how much the tile that fits
    worst but one differs, where 1 is what a copy may; colour: by how much of its colour; contrast: levels;
    busy: the part of the tiles that show anything.
    """

    whole: Floats
    detail: Floats
    apart: Floats
    colour: Floats
    contrast: Floats
    busy: Floats


def gathered(parts: Sequence[Likeness]) -> Likeness:
    """One after the other; of no pairs, where there are none."""
    nothing = np.empty(0, np.float32)
    return Likeness(
        *(np.concatenate([nothing, *(getattr(one, f.name) for one in parts)]) for f in fields(Likeness))
    )


@dataclass(frozen=True)
class Bounds:
    """What a pair has to show. See `Likeness`; one axis may be resized by `squeezed` times more than the other,
    and nothing cut off where it is `whole_only`."""

    whole: float
    detail: float
    apart: float
    colour: float
    contrast: float = 3.5
    squeezed: float = 1.06
    busy: float = 0.0
    whole_only: bool = False

    def hold(self, found: Likeness) -> NDArray[np.bool_]:
        """Which pairs do."""
        like = (found.whole >= self.whole) & (found.detail >= self.detail) & (found.contrast >= self.contrast)
        like &= (found.busy >= self.busy) & (found.colour <= self.colour)
        return np.asarray(like & (found.apart <= self.apart))


COPY = Bounds(whole=0.95, detail=0.7, apart=0.45, colour=0.35, squeezed=1.04)
NOISY_COPY = Bounds(whole=0.95, detail=0.95, apart=1.0, colour=0.35, squeezed=1.04, busy=0.4)
"""For photos at 96 x 96 and more: what is left is next to nothing, or has nothing to do with their detail."""
SMALL_COPY = Bounds(whole=0.95, detail=0.85, apart=1.4, colour=0.6, squeezed=1.5, busy=0.5)
"""For smaller ones, which often were squeezed into squares: there is little to see, and it has to be all over."""
PLAIN_COPY = Bounds(whole=0.98, detail=0.99, apart=0.5, colour=0.35, squeezed=1.02, whole_only=True)
"""For smaller ones before a plain ground, where a crop of one thing is the next one."""
LIKE_SMALL_COPY = Bounds(whole=0.95, detail=0.8, apart=1.6, colour=0.6, squeezed=1.5)
"""For smaller ones that are like nothing else."""
MAYBE = Bounds(whole=0.9, detail=0.5, apart=3.0, colour=0.6, squeezed=1.06)
"""For thumbnails of photos, which are then read once more."""


def settled(first: Floats, second: Floats, windows: Windows, steps: int) -> tuple[Windows, Likeness]:
    """Windows after some steps, and how like the two are there. A change of light that was cut off draws pictures
    apart that lie as they should: windows that are nearly the whole picture are that, where it fits better."""
    windows, _ = align(first.mean(-1), second.mean(-1), windows, steps)
    found = likeness(first, second, windows)
    near = np.flatnonzero(windows.off_the_whole() < _NEARLY)
    if not len(near):
        return windows, found
    whole = whole_windows(len(near))
    other = likeness(first[near], second[near], whole)
    better = other.apart < found.apart[near]
    chosen = near[better]
    windows.start[chosen], windows.length[chosen] = whole.start[better], whole.length[better]
    for name in found.__dataclass_fields__:
        getattr(found, name)[chosen] = getattr(other, name)[better]
    return windows, found


def likeness(first: Floats, second: Floats, windows: Windows) -> Likeness:
    """How well the first of each pair, in its window, gives the second. [P, n, n, 3], levels of 0 to 255."""
    laid, inside = lay(first, windows)
    cut = [smoothed(part) > _TOUCHED for part in (*_cut_off(first, windows), *_cut_off(second))]
    laid, second = smoothed(laid), smoothed(second)
    gain, offset = _light(laid, second, inside[..., None] * ~np.any(cut, axis=0), inside[..., None])
    left = second - (gain * laid + offset).clip(0, 255)
    bright, dark, wanted_bright, wanted_dark = cut
    unknown = np.where(left > 0, bright | wanted_dark, dark | wanted_bright)
    left = np.where(unknown, 0, left)
    missed, wanted = left.mean(-1), second.mean(-1)
    expected = wanted - missed
    area = np.maximum(_tiles(inside), 1e-6)
    slopes = _tiles(_steepness(wanted) * inside) / area
    apart: Floats = _tiles(missed**2 * inside) / area / (_DISPLACED**2 * slopes + _NOISE**2)
    tint, own = left - left.mean(-1, keepdims=True), second - wanted[..., None]
    return Likeness(
        correlation(expected, wanted, inside),
        correlation(_detail(expected), _detail(wanted), inside),
        np.sqrt(_second_worst(np.where(area > 0.5, apart, 0))),
        _spread(tint, inside) / (_spread(own, inside) + _GREYISH),
        _spread(wanted[..., None], inside),
        (slopes > _NOISE**2).mean((1, 2)),
    )


def _cut_off(pictures: Floats, windows: Windows | None = None) -> tuple[Floats, Floats]:
    """Where levels are so high, and so low, that they may have been anything beyond: 1 there, else 0."""
    masks = [mask.astype(np.float32) for mask in (pictures >= _BRIGHTEST, pictures <= _DARKEST)]
    bright, dark = masks if windows is None else (lay(mask, windows)[0] for mask in masks)
    return bright, dark


def _light(first: Floats, second: Floats, known: Floats, inside: Floats) -> tuple[Floats, Floats]:
    """The gain and the offset that take the first to the second, [P, 1, 1, 1], by what is known of them, if that is
    enough to tell."""
    axes = (1, 2, 3)
    known = np.where(known.mean(axes, keepdims=True) > _TELLING, known, inside * np.ones_like(known))
    area = np.maximum(known.sum(axes, keepdims=True), 1)
    mean, aim = ((part * known).sum(axes, keepdims=True) / area for part in (first, second))
    together = ((first - mean) * (second - aim) * known).sum(axes, keepdims=True)
    gain = together / np.maximum(((first - mean) ** 2 * known).sum(axes, keepdims=True), 1e-6)
    return gain, aim - gain * mean


def _second_worst(tiles: Floats) -> Floats:
    """One tile may be off: a mark in a corner, or a highlight that was cut off."""
    found: Floats = np.partition(tiles.reshape(len(tiles), -1), -2, axis=1)[:, -2]
    return found


def _steepness(grey: Floats) -> Floats:
    down, right = (np.asarray(slope) for slope in np.gradient(grey, axis=(1, 2)))
    return np.asarray(down**2 + right**2)


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
