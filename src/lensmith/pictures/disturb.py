"""What happens to pictures on their way: compressed, blurred, too dark, tilted, noisy. uint8 in, uint8 out."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from lensmith.errors import PictureError
from lensmith.pictures.decode import Pixels

_JPEG = 65_500


@dataclass(frozen=True)
class Disturbance:
    """A way to spoil pictures. change: RGB pixels, uint8 [H, W, 3], and the picture's own seed -> the same size."""

    name: str
    change: Callable[[Pixels, int], Pixels]


def compressed(pixels: Pixels, quality: int) -> Pixels:
    """Written as JPEG and read again. Raises `PictureError` for a side that no JPEG can have."""
    if max(pixels.shape) > _JPEG:
        raise PictureError("picture", f"a JPEG has sides of {_JPEG:,} pixels at most")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file, formats=("JPEG",)))


def blurred(pixels: Pixels, share: float) -> Pixels:
    """Out of focus: a Gaussian whose deviation is this share of the short side."""
    radius = share * min(pixels.shape[:2])
    return np.array(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def lit(pixels: Pixels, factor: float) -> Pixels:
    """Every level times `factor`."""
    return _levels(pixels.astype(np.float32) * factor)


def faded(pixels: Pixels, factor: float) -> Pixels:
    """Every level's distance to the picture's mean times `factor`."""
    mean = np.float32(pixels.mean())
    return _levels(mean + (pixels.astype(np.float32) - mean) * factor)


def turned(pixels: Pixels, degrees: float) -> Pixels:
    """Turned about its centre; what comes in at the edges is the picture mirrored there."""
    height, width = pixels.shape[:2]
    margin = math.ceil(max(height, width) / 2 * math.sin(math.radians(abs(degrees)))) + 1
    wide = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    image = Image.fromarray(wide).rotate(degrees, Image.Resampling.BILINEAR)
    return np.array(image)[margin : margin + height, margin : margin + width]


def noisy(pixels: Pixels, deviation: float, seed: int) -> Pixels:
    """Normal noise of this deviation, in levels, on every value."""
    noise = np.random.default_rng(seed).standard_normal(pixels.shape, np.float32)
    return _levels(pixels.astype(np.float32) + deviation * noise)


def _levels(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _either_way(degrees: float, seed: int) -> float:
    return degrees if seed % 2 else -degrees


DISTURBANCES = (
    Disturbance("JPEG quality 80", lambda pixels, _: compressed(pixels, 80)),
    Disturbance("JPEG quality 40", lambda pixels, _: compressed(pixels, 40)),
    Disturbance("JPEG quality 15", lambda pixels, _: compressed(pixels, 15)),
    Disturbance("blur of 1% of the side", lambda pixels, _: blurred(pixels, 0.01)),
    Disturbance("blur of 3% of the side", lambda pixels, _: blurred(pixels, 0.03)),
    Disturbance("30% darker", lambda pixels, _: lit(pixels, 0.7)),
    Disturbance("30% brighter", lambda pixels, _: lit(pixels, 1.3)),
    Disturbance("40% less contrast", lambda pixels, _: faded(pixels, 0.6)),
    Disturbance("40% more contrast", lambda pixels, _: faded(pixels, 1.4)),
    Disturbance("turned by 5 degrees", lambda pixels, seed: turned(pixels, _either_way(5, seed))),
    Disturbance("turned by 15 degrees", lambda pixels, seed: turned(pixels, _either_way(15, seed))),
    Disturbance("noise of 10 levels", lambda pixels, seed: noisy(pixels, 10, seed)),
    Disturbance("noise of 25 levels", lambda pixels, seed: noisy(pixels, 25, seed)),
)
