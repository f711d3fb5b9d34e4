"""Sample sets that ship with lensmith, written out as ordinary picture files.

`digits` is the test part of the Optical Recognition of Handwritten Digits set (E. Alpaydin, C. Kaynak, UCI
Machine Learning Repository, 1998, doi 10.24432/C50P49, CC BY 4.0), 1,797 pictures of 8 x 8, as scikit-learn
has it; here each is enlarged to 32 x 32. `digits-multi` and `digits-sum` put up to three of them on a canvas
of 64 x 64, with a table: which digits are there (several labels), and their sum (a number).
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

from lensmith.data.dataset import Example, ImageDataset, Item
from lensmith.errors import UsageError
from lensmith.pictures.decode import Pixels

NAMES = ("digits", "digits-multi", "digits-sum")
_SIDE = 32
_CANVASES = {"train": 3200, "val": 800}
_MOST = 3


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
    """Write a sample set as PNG files into a new or empty folder; returns how many pictures."""
    if name not in NAMES:
        raise UsageError(f"no sample set is called '{name}'", hint=f"There are {', '.join(NAMES)}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} already holds something", hint="Give a new or empty folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed, so that a half-written set is never taken for a whole one.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
        place = Path(beside, "set")
        count = _write_classes(place) if name == "digits" else _write_canvases(place, name)
        if folder.exists():
            folder.rmdir()
        place.rename(folder)
    return count


def _write_classes(place: Path) -> int:
    owner = Digits()
    for index in range(len(owner)):
        picture, target = owner[index]
        folder = place / owner.classes[target]
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{index:04d}.png")
    return len(owner)


def _write_canvases(place: Path, name: str) -> int:
    heading = ["path", "labels" if name == "digits-multi" else "value", "split"]
    rows = []
    for split, number, canvas, shown in _canvases():
        path = Path(split, f"{number:04d}.png")
        (place / split).mkdir(parents=True, exist_ok=True)
        canvas.save(place / path)
        label = ";".join(map(str, sorted(set(shown)))) if name == "digits-multi" else str(sum(shown))
        rows.append([path.as_posix(), label, split])
    with (place / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([heading, *rows])
    return len(rows)


def _canvases() -> Iterator[tuple[str, int, Image.Image, list[int]]]:
    """`(split, number, canvas, digits on it)`; no digit of one split is drawn in another."""
    owner = Digits()
    draw = np.random.default_rng(0)
    order = draw.permutation(len(owner))
    sources = {"train": order[: len(order) * 4 // 5], "val": order[len(order) * 4 // 5 :]}
    for split, count in _CANVASES.items():
        for number in range(count):
            canvas = Image.new("L", (2 * _SIDE, 2 * _SIDE), 255)
            shown = []
            for quarter in draw.permutation(4)[: draw.integers(0, _MOST + 1)]:
                digit, target = owner[int(draw.choice(sources[split]))]
                side = int(draw.integers(24, _SIDE + 1))
                spare = _SIDE - side
                left = int(quarter % 2) * _SIDE + int(draw.integers(0, spare + 1))
                top = int(quarter // 2) * _SIDE + int(draw.integers(0, spare + 1))
                canvas.paste(digit.resize((side, side), Image.Resampling.BICUBIC), (left, top))
                shown.append(target)
            yield split, number, _grained(canvas, draw), shown


def _grained(canvas: Image.Image, draw: np.random.Generator) -> Image.Image:
    """A little grain, as paper has, so that no two canvases are equal, not even the empty ones."""
    grain = draw.normal(0, 4, (2 * _SIDE, 2 * _SIDE))
    return Image.fromarray(np.clip(np.asarray(canvas) + grain, 0, 255).astype(np.uint8))
