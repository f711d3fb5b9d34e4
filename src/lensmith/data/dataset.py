"""`ImageDataset`: labelled pictures, their classes and their splits, as one value."""

from __future__ import annotations

import hashlib
import html
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from lensmith.data.contents import content_of, is_file
from lensmith.data.identity import identify, pixels_id
from lensmith.errors import DataError, PictureError, UsageError
from lensmith.pictures.decode import Pixels, decode
from lensmith.pictures.reading import pixels_of
from lensmith.shards.member import Member
from lensmith.types import Examples, Task

Target = int | float | tuple[int, ...]

SPLITS = ("train", "val", "test")

_OWNERS = threading.RLock()
"""Own data sets are asked one thread at a time: many read from a handle that their pictures share."""


@dataclass(frozen=True)
class Item:
    """A picture that lives in somebody's own data set, at an index."""

    owner: Examples
    index: int

    def picture(self) -> Any:
        """The picture as its owner gives it. Raises `PictureError` where the owner cannot read it."""
        try:
            with _OWNERS:
                return self.owner[self.index][0]
        except OSError as error:
            raise PictureError(str(self), f"cannot be read ({error})") from error

    def __str__(self) -> str:
        return f"{type(self.owner).__name__}[{self.index}]"


Source = Path | Member | Item
"""Where a picture lies: a file of its own, a part of a shard, or somebody's own data set."""


@dataclass(frozen=True)
class Example:
    """One picture: where it is, what it shows, and which split it is in (`""`: not said).

    sha256: of its file, or of its pixels where it has no file; empty until somebody has read it.
    """

    source: Source
    target: Target
    split: str = ""
    group: str = ""
    sha256: str = field(default="", compare=False, repr=False)

    def remember(self, sha256: str) -> None:
        """Keep what identifies the picture, so that nobody reads it again to find out."""
        object.__setattr__(self, "sha256", sha256)


@dataclass(frozen=True)
class Skipped:
    """A file that was found and not used, and why."""

    file: str
    reason: str


class ImageDataset:
    """Labelled pictures.

    `data[i]` is `(PIL image, target)`; `.classes` names the targets; `.split("train")` is a part;
    `a + b` joins two by class name. `used + skipped = files found`.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        classes: Sequence[str],
        *,
        task: Task = "classification",
        name: str = "data",
        skipped: Sequence[Skipped] = (),
        notes: Sequence[str] = (),
    ) -> None:
        self.examples = tuple(examples)
        self.classes = list(classes)
        self.task: Task = task
        self.name = name
        self.skipped = tuple(skipped)
        self.notes = tuple(notes)

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> tuple[Image.Image, Target]:
        return Image.fromarray(self.pixels(index)), self.examples[index].target

    def __add__(self, other: ImageDataset) -> ImageDataset:
        if not isinstance(other, ImageDataset):
            return NotImplemented
        if self.task != other.task:
            raise DataError(
                f"{self.name} is {self.task} and {other.name} is {other.task}: they cannot be joined"
            )
        classes = self.classes + [name for name in other.classes if name not in self.classes]
        moved = other.with_examples(
            [replace(e, target=_renamed(e.target, other.classes, classes)) for e in other.examples]
        )
        return ImageDataset(
            _in_training(self, other) + _in_training(moved, self),
            classes,
            task=self.task,
            name=f"{self.name}+{other.name}",
            skipped=self.skipped + other.skipped,
            notes=self.notes + other.notes,
        )

    @property
    def targets(self) -> list[Target]:
        """What each picture shows: a class index, a tuple of label indices, or a number."""
        return [example.target for example in self.examples]

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are there, in the order train, val, test."""
        found = {example.split for example in self.examples}
        return tuple(name for name in SPLITS if name in found)

    @cached_property
    def ids(self) -> list[str]:
        """sha256 of each picture's file, or of its pixels where it has no file."""
        identify([example for example in self.examples if not example.sha256], _identity)
        return [example.sha256 for example in self.examples]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the pictures and what they show, whatever their order and names."""
        rows = sorted(f"{i} {self.words(e.target)}" for i, e in zip(self.ids, self.examples, strict=True))
        return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogateescape")).hexdigest()

    def pixels(self, index: int) -> Pixels:
        """The decoded picture, uint8 [H, W, 3]. Raises `PictureError`."""
        return _pixels(self.examples[index].source)

    def words(self, target: Target) -> str:
        """A target by name: `cat`, `cat, dog` or `3.5`."""
        if isinstance(target, tuple):
            return ", ".join(self.classes[i] for i in target)
        return self.classes[int(target)] if self.task == "classification" else str(target)

    def counts(self) -> dict[str, int]:
        """Pictures of each class (regression has none)."""
        if self.task == "regression":
            return {}
        indices: Iterable[int] = (
            i for e in self.examples for i in (e.target if isinstance(e.target, tuple) else (int(e.target),))
        )
        found = Counter(indices)
        return {name: found[i] for i, name in enumerate(self.classes)}

    @property
    def groups(self) -> dict[str, int]:
        """Pictures of each group; those that are in none are not counted."""
        return dict(Counter(example.group for example in self.examples if example.group))

    def part(self, wanted: Callable[[Example], bool]) -> ImageDataset:
        """The examples that are wanted, with the same classes."""
        return self.with_examples([e for e in self.examples if wanted(e)])

    def with_examples(self, examples: Sequence[Example]) -> ImageDataset:
        """The same data set with other rows."""
        return ImageDataset(
            examples, self.classes, task=self.task, name=self.name, skipped=self.skipped, notes=self.notes
        )

    def split(self, name: str) -> ImageDataset:
        """One split by name. Data that bring no split are split first: stratified, seed 0."""
        if not self.splits:
            from lensmith.data.splitting import make_splits

            return make_splits(self).split(name)
        if name not in self.splits:
            raise UsageError(f"{self.name} has no split '{name}'", hint=f"It has {', '.join(self.splits)}.")
        return self.part(lambda example: example.split == name)

    def __repr__(self) -> str:
        parts = [f"{len(self):,} pictures", self.task]
        if self.classes:
            shown = ", ".join(self.classes[:6]) + (", ..." if len(self.classes) > 6 else "")
            parts.append(f"{len(self.classes)} classes ({shown})")
        if self.splits:
            found = Counter(e.split for e in self.examples)
            parts.append(", ".join(f"{name} {found[name]:,}" for name in self.splits))
        if groups := self.groups:
            parts.append(f"{len(groups):,} groups, the largest of {max(groups.values()):,} pictures")
        if self.skipped:
            parts.append(f"{len(self.skipped)} skipped")
        return f"ImageDataset({self.name}: {'; '.join(parts)})"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{html.escape(n)}</td><td>{c:,}</td></tr>" for n, c in self.counts().items())
        return (
            f"<p>{html.escape(repr(self))}</p><table><tr><th>class</th><th>pictures</th></tr>{rows}</table>"
        )


def _pixels(source: Source) -> Pixels:
    if isinstance(source, Item):
        return pixels_of(source.picture(), name=str(source))
    return decode(content_of(source), name=str(source))


def _identity(example: Example) -> str:
    source = example.source
    try:
        if is_file(source):
            return hashlib.sha256(content_of(source)).hexdigest()
        return pixels_id(_pixels(source))
    except (OSError, ValueError, PictureError):
        # Unreadable: it will be skipped with its reason when it is decoded.
        return hashlib.sha256(os.fsencode(str(source))).hexdigest()


def _in_training(data: ImageDataset, beside: ImageDataset) -> tuple[Example, ...]:
    """Pictures of no split, joined to some with splits, are trained on: else no split would hold them."""
    if not beside.splits:
        return data.examples
    return tuple(e if e.split else replace(e, split="train") for e in data.examples)


def _renamed(target: Target, old: list[str], new: list[str]) -> Target:
    if isinstance(target, tuple):
        return tuple(new.index(old[i]) for i in target)
    return new.index(old[target]) if isinstance(target, int) and old else target
