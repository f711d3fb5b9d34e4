"""Pictures that must not part: equal ones, those of one group, and those that somebody says belong together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensmith.data.dataset import ImageDataset

Rows = Sequence[int]


@dataclass(frozen=True)
class Bond:
    """Rows of a data set that stay together.

    key: what stands for them in every draw, a group's name or the sha256 of a picture, whatever else is there.
    shows: the names of their classes; "" where they have none.
    """

    key: str
    rows: tuple[int, ...]
    shows: frozenset[str]


def bonds(data: ImageDataset, together: Iterable[Rows] = ()) -> list[Bond]:
    """Every row of the data in exactly one bond, in the order of first rows.

    together: rows that belong together for another reason, such as near duplicates.
    """
    parent = list(range(len(data)))

    def top(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    def join(one: int, other: int) -> None:
        first, second = sorted((top(one), top(other)))
        parent[second] = first

    # A group's name and a sha256 are no words of one kind, even where they are the same letters.
    pictures: dict[str, int] = {}
    groups: dict[str, int] = {}
    for row, (identity, example) in enumerate(zip(data.ids, data.examples, strict=True)):
        if (first := pictures.setdefault(identity, row)) != row:
            join(first, row)
        if example.group and (first := groups.setdefault(example.group, row)) != row:
            join(first, row)
    for rows in together:
        for row in rows[1:]:
            join(rows[0], row)
    members: dict[int, list[int]] = {}
    for row in range(len(data)):
        members.setdefault(top(row), []).append(row)
    return [Bond(_key(data, rows), tuple(rows), _shown(data, rows)) for rows in members.values()]


def bond_numbers(data: ImageDataset) -> NDArray[np.int64]:
    """int64 [N]: the same number for pictures of one group, and for equal ones as far as their sha256 is known."""
    names = [one.group or one.sha256 or str(row) for row, one in enumerate(data.examples)]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64)


def _key(data: ImageDataset, rows: Rows) -> str:
    """A group's name lasts, whatever is added to it; else the least sha256 does, in most cases."""
    groups = [data.examples[row].group for row in rows if data.examples[row].group]
    return min(groups) if groups else min([data.ids[row] for row in rows])


def _shown(data: ImageDataset, rows: Rows) -> frozenset[str]:
    """The classes of some rows; of numbers none."""
    names: set[str] = set()
    for target in [] if data.task == "regression" else [data.examples[row].target for row in rows]:
        if isinstance(target, tuple):
            names.update(data.classes[index] for index in target)
        else:
            names.add(data.classes[int(target)])
    return frozenset(names or ("",))


def strata(bound: Sequence[Bond]) -> dict[str, list[Bond]]:
    """The bonds by the rarest of the classes that they show: where the rare ones go as they should, the common
    ones follow. Numbers make one stratum."""
    counts = {name: len(members) for name, members in shown_by(bound).items()}
    found: dict[str, list[Bond]] = {}
    for bond in bound:
        rarest, *others = bond.shows
        for name in others:
            rarest = min(rarest, name, key=lambda word: (counts[word], word))
        found.setdefault(rarest, []).append(bond)
    return found


def shown_by(bound: Sequence[Bond]) -> dict[str, list[Bond]]:
    """For each class, the bonds that show it."""
    found: dict[str, list[Bond]] = {}
    for bond in bound:
        for name in bond.shows:
            found.setdefault(name, []).append(bond)
    return found
