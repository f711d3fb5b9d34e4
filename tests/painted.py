"""Small labelled pictures, painted by a seeded hand: a few colours with noise, a folder per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"ant": (60, 40, 30), "bee": (220, 180, 40), "cat": (120, 120, 200), "dog": (60, 160, 80)}


def paint(name: str, number: int, side: int = 20) -> Image.Image:
    """The picture of a class with this number, a little wider than high."""
    rng = np.random.default_rng([sorted(COLOURS).index(name), number])
    noise = rng.integers(-30, 31, (side, side + number % 5, 3))
    return Image.fromarray(np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8))


def paint_folder(folder: Path, **counts: int) -> Path:
    """Write `folder/CLASS/NN.png`, as many of each class as its keyword says."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            paint(name, number).save(folder / name / f"{number:02d}.png")
    return folder
