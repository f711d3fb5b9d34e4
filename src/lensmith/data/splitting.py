"""Splits: stratified, never parting equal pictures, and which of them plays which part."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace

from lensmith.data.dataset import Example, ImageDataset
from lensmith.errors import DataError


@dataclass(frozen=True)
class Roles:
    """What each split is for. `choice` may steer a training; `held_out` is measured once, at the end.

    `made` says how the split came about.
    """

    train: ImageDataset
    held_out: ImageDataset
    held_out_name: str
    choice: ImageDataset | None
    made: str

    def all(self) -> ImageDataset:
        """The pictures of every split together."""
        parts = [part for part in (self.train, self.choice, self.held_out) if part is not None]
        return self.train.with_examples([example for part in parts for example in part.examples])


def assign_roles(data: ImageDataset, fraction: float = 0.2, seed: int = 0) -> Roles:
    """Of the splits found, the last of (train, val, test) is held out; data without splits are split first.

    Raises `DataError` where there are not two classes, or nothing to train on or to hold out.
    """
    made = f"as the data say: {', '.join(data.splits)}"
    if data.splits in ((), ("train",)):
        data = make_splits(data, fraction, seed)
        made = f"drawn here: {fraction:.0%}, stratified, equal pictures kept together, seed {seed}"
    held_out = data.splits[-1]
    train = data.split("train")
    refuse_hopeless(train)
    if held_out == "train":
        raise DataError(
            f"{data.name}: too few different pictures to hold any out",
            hint="A class needs two pictures or more, one to learn from and one to be measured on.",
        )
    choice = data.split("val") if data.splits == ("train", "val", "test") else None
    return Roles(train, data.split(held_out), held_out, choice, made)


def make_splits(data: ImageDataset, fraction: float = 0.2, seed: int = 0) -> ImageDataset:
    """Hold out about `fraction` of each class as `val`; pictures with equal bytes land on one side.

    Which side a picture lands on depends on its bytes and the seed alone, within the share its class allows.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, (identity, example) in enumerate(zip(data.ids, data.examples, strict=True)):
        groups[example.group or identity].append(index)
    by_class: dict[str, list[str]] = defaultdict(list)
    for group, members in groups.items():
        by_class[min(_stratum(data, member) for member in members)].append(group)
    held_out: set[int] = set()
    for members_of_class in by_class.values():
        ordered = sorted(members_of_class, key=lambda group: _rank(group, seed))
        wanted = fraction * sum(len(groups[group]) for group in ordered)
        taken = 0
        for group in ordered[:-1]:  # at least one stays for training
            if taken + len(groups[group]) / 2 > wanted and taken > 0:
                break
            held_out.update(groups[group])
            taken += len(groups[group])
    return data.with_examples(
        [replace(e, split="val" if i in held_out else "train") for i, e in enumerate(data.examples)]
    )


def _stratum(data: ImageDataset, index: int) -> str:
    example: Example = data.examples[index]
    return "" if data.task == "regression" else data.words(example.target)


def _rank(group: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {group}".encode()).hexdigest()


def refuse_hopeless(train: ImageDataset, found: ImageDataset | None = None) -> None:
    """Raise `DataError` where there is nothing to learn to tell apart, or where of all the pictures `found` of
    a class none could be read."""
    if train.task == "regression":
        return
    counts = {name: count for name, count in train.counts().items() if count}
    if len(counts) < 2:
        only = next(iter(counts), "none")
        raise DataError(
            f"{train.name}: one class to learn ({only}), and at least two are needed",
            hint="Each class is a folder of its own beside the others.",
        )
    for name, count in (found.counts() if found is not None else {}).items():
        if count and name not in counts:
            raise DataError(
                f"{train.name}: of class '{name}' none of {count} pictures can be read",
                hint="Mend them, or take the class out.",
            )
