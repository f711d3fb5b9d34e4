"""Sample sets that ship with lensmith, written out as ordinary picture files.

`digits` is the test part of the Optical Recognition of Handwritten Digits set (E. Alpaydin, C. Kaynak, UCI
Machine Learning Repository, 1998, doi 10.24432/C50P49, CC BY 4.0), 1,797 pictures of 8 x 8, as scikit-learn
has it; here each is enlarged to 32 x 32.
"""

from __future__ import annotations

import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

from lensmith.data.dataset import Example, ImageDataset, Item
from lensmith.data.decode import Pixels
from lensmith.errors import UsageError

NAMES = ("digits",)
_SIDE = 32


class Digits:
    """The embedded digits: `len`, and `(picture, class index)` by index."""

    def __init__(self) -> None:
        with (files("lensmith.data") / "digits.npz").open("rb") as file, np.load(file) as arrays:
            self._small: Pixels = arrays["images"]
            self.targets = [int(target) for target in arrays["targets"]]
        self.classes = [str(digit) for digit in range(10)]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        ink = (self._small[index].astype(np.uint16) * 255 // 16).astype(np.uint8)
        picture = Image.fromarray(255 - ink).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        return picture, self.targets[index]


@cache
def digits() -> ImageDataset:
    """The embedded digits as a data set."""
    owner = Digits()
    examples = [Example(Item(owner, i), target) for i, target in enumerate(owner.targets)]
    return ImageDataset(examples, owner.classes, name="digits")


def write_sample(name: str, folder: Path) -> int:
    """Write a sample set as PNG files, a folder per class, into a new or empty folder; returns how many."""
    if name not in NAMES:
        raise UsageError(f"no sample set is called '{name}'", hint=f"There is {', '.join(NAMES)}.")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} already holds something", hint="Give a new or empty folder.")
    owner = Digits()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed, so that a half-written set is never taken for a whole one.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
        for index in range(len(owner)):
            picture, target = owner[index]
            place = Path(beside, "set", owner.classes[target])
            place.mkdir(parents=True, exist_ok=True)
            picture.save(place / f"{index:04d}.png")
        if folder.exists():
            folder.rmdir()
        Path(beside, "set").rename(folder)
    return len(owner)
