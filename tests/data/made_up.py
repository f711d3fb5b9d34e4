"""Labelled pictures that no disk holds: what a split needs is their sha256, their class and their group."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from lensmith.data.dataset import Example, ImageDataset


def picture(name: str, target: int | tuple[int, ...] = 0, group: str = "", split: str = "") -> Example:
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    return Example(Path(name), target, split, group, sha256)


def numbered(start: int = 0, **counts: int) -> ImageDataset:
    """So many pictures of each class, `ants/7.png` and so on."""
    rows = [
        picture(f"{name}/{number}.png", target)
        for target, (name, count) in enumerate(counts.items())
        for number in range(start, start + count)
    ]
    return ImageDataset(rows, list(counts))


def copies_of(examples: Iterable[Example], folder: str) -> list[Example]:
    """The same pictures under other names."""
    return [replace(e, source=Path(folder) / Path(str(e.source)).name, sha256=e.sha256) for e in examples]


def sides(data: ImageDataset) -> dict[str, str]:
    """The split of each file."""
    return {str(example.source): example.split for example in data.examples}
