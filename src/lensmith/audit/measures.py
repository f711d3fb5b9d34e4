"""What one picture is like, in a few numbers: its light, its contrast, its sharpness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MEASURES = ("mean", "spread", "high", "sharpness")
"""Of the grey picture: mean, standard deviation and 98th percentile of its levels (0 to 255), and `_sharpness`."""
_SIDE = 256
"""Pictures are measured at this short side at most: a network sees no more of them."""


def measure(image: Image.Image) -> tuple[float, float, float, float]:
    """The measures of an RGB picture."""
    grey = image.convert("L")
    shorter = min(grey.size)
    if shorter > _SIDE:
        size = (round(grey.width * _SIDE / shorter), round(grey.height * _SIDE / shorter))
        grey = grey.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    levels = np.asarray(grey)
    seen = np.cumsum(np.bincount(levels.ravel(), minlength=256))
    high = float(np.searchsorted(seen, 0.98 * levels.size))
    return float(levels.mean()), float(levels.std()), high, _sharpness(levels.astype(np.float32))


def _sharpness(levels: NDArray[np.float32]) -> float:
    """How much detail there is between neighbouring pixels, against that between pairs of them: 0.5 to 2 in a sharp
    photo, towards a sixteenth in one that is out of focus or was enlarged."""
    height, width = levels.shape[0] // 2 * 2, levels.shape[1] // 2 * 2
    halved = levels[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    return _bends(levels) / (_bends(halved) + 1.0)


def _bends(levels: NDArray[np.float32]) -> float:
    """The mean square of how much pixels differ from the mean of the four around them."""
    around = levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:]
    apart = levels[1:-1, 1:-1] - around / 4
    return float((apart**2).mean()) if apart.size else 0.0
