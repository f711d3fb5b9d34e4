"""Where an answer hangs on its picture: one part after another is covered, and the model asked again.

Occlusion sensitivity, Zeiler and Fergus 2014 (arXiv:1311.2901, section 4.2). It asks nothing of a model but
its answers, so it is the same for every network and engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lensmith.errors import ModelFileError
from lensmith.pictures.decode import Pixels

GRID = 8
"""Windows in each direction, at even distances."""
SMALL, LARGE = 0.25, 0.5
"""Sides of a window, as shares of the picture's. They overlap, so that no spot hides on an edge between two."""
_AT_ONCE = 2**22
"""Pixels that are covered and asked about together: 12 MB, whatever the size of the model's pictures."""
_FLAT = 0.02
"""Of probability; of a number, this share of itself: less says nothing."""
_SIDE = 448
"""What a smaller picture is enlarged to for its overlay: a heat map of 32 x 32 pixels would be read as blocks."""
_COOL, _HOT = np.array([250, 204, 72], np.float32), np.array([200, 40, 20], np.float32)

Scores = Callable[[Pixels], NDArray[np.floating[Any]]]
"""Prepared pictures, uint8 [N, H, W, 3] -> what the model gives each output, float [N, outputs]."""


@dataclass(frozen=True)
class Occlusion:
    """What covering parts of one picture does to one output.

    output: which one. score: what it gets for the whole picture. drops: float32 [rows, columns], how much of
    that is lost where the window around the place is covered; below 0 where it rises.
    """

    output: int
    score: float
    drops: NDArray[np.float32]

    def heat(self, height: int, width: int, *, both_ways: bool = False) -> NDArray[np.float32]:
        """The drops for each pixel, float32 [height, width], smooth between windows; a rise counts as 0, or
        with `both_ways` as much as a fall."""
        drops = np.abs(self.drops) if both_ways else np.maximum(self.drops, 0)
        smooth = Image.fromarray(drops).resize((width, height), Image.Resampling.BILINEAR)
        heat: NDArray[np.float32] = np.clip(np.asarray(smooth, np.float32), 0, drops.max())
        return heat


@dataclass(frozen=True)
class Explanation:
    """Where an answer hangs on its picture.

    heat: float32 [H, W], what covering the place takes off; largest: the most of it. is_flat: whether that is so
    little that it says nothing. window: side of what was covered, as a share of the picture's.
    """

    occlusion: Occlusion
    window: float
    heat: NDArray[np.float32]
    largest: float
    is_flat: bool


def explanation(
    scores: Scores,
    pixels: Pixels,
    output: int | None = None,
    *,
    is_number: bool = False,
    checkpoint: Callable[[], None] = lambda: None,
) -> Explanation:
    """That with small windows; where they show nothing, that with large ones. Arguments as those of `occlusion`.

    is_number: whether the model gives a number, for which a rise counts as much as a fall. Raises `ModelFileError`
    where it gives none.
    """
    for window in (SMALL, LARGE):
        found = occlusion(scores, pixels, output, window, checkpoint)
        if not np.isfinite(found.drops).all():
            raise ModelFileError("the model gives what is no number", hint="Its training diverged.")
        heat = found.heat(*pixels.shape[:2], both_ways=is_number)
        largest = float(heat.max())
        is_flat = largest == 0 or largest < _FLAT * (abs(found.score) if is_number else 1)
        if not is_flat:
            break
    return Explanation(found, window, heat, largest, is_flat)


def occlusion(
    scores: Scores,
    pixels: Pixels,
    output: int | None = None,
    window: float = SMALL,
    checkpoint: Callable[[], None] = lambda: None,
) -> Occlusion:
    """Cover each part of a prepared picture, uint8 [H, W, 3], by its mean colour and see what an output loses.

    output: the one with the highest score where none is named. window: its side, as a share of the picture's.
    checkpoint: called each time before the model is asked; what it raises ends the work.
    """
    height, width = pixels.shape[:2]
    rows, columns = _windows(height, window), _windows(width, window)
    boxes = [(*row, *column) for row in rows for column in columns]
    fill = pixels.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    step = max(1, min(len(boxes), _AT_ONCE // (height * width)))
    checkpoint()
    whole = scores(pixels[None])[0]
    output = int(whole.argmax()) if output is None else output
    covered = []
    for start in range(0, len(boxes), step):
        checkpoint()
        part = boxes[start : start + step]
        pictures = np.repeat(pixels[None], len(part), axis=0)
        for picture, (top, bottom, left, right) in zip(pictures, part, strict=True):
            picture[top:bottom, left:right] = fill
        covered.append(scores(pictures)[:, output])
    drops = whole[output] - np.concatenate(covered).reshape(len(rows), len(columns))
    return Occlusion(output, float(whole[output]), drops.astype(np.float32))


def overlay(pixels: Pixels, heat: NDArray[np.float32]) -> Pixels:
    """The picture, uint8 [H, W, 3], in grey, and over it the heat, [H, W], from nothing by yellow to red.

    A small picture comes out enlarged.
    """
    scale = max(1, -(-_SIDE // max(pixels.shape[:2])))
    size = (pixels.shape[1] * scale, pixels.shape[0] * scale)
    grey = np.asarray(Image.fromarray(pixels).convert("L").resize(size, Image.Resampling.NEAREST), np.float32)
    # Paler than it is, so that no dark picture swallows the colours; they keep its light and shade.
    light = (0.3 + 0.7 * grey / 255)[..., None]
    wide = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BILINEAR), np.float32)
    share = np.clip(wide / max(float(heat.max()), 1e-9), 0, 1)[..., None]
    colour = (_COOL + (_HOT - _COOL) * share) * (0.6 + 0.4 * light)
    alpha = 0.8 * share**0.8
    mixed: Pixels = np.rint(255 * light * (1 - alpha) + colour * alpha).astype(np.uint8)
    return mixed


def _windows(length: int, share: float) -> list[tuple[int, int]]:
    """Where each window starts and ends on a side of this many pixels."""
    count = max(1, min(GRID, length // 2))
    middles = [(i + 0.5) * length / count for i in range(count)]
    # Not under a step, so that a side of few pixels is covered whole too.
    half = max(share * length, length / count) / 2
    return [(max(round(m - half), 0), min(round(m + half), length)) for m in middles]
