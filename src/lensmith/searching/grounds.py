"""Which pictures a sweep may see, and for what. Those held out are not among them: no trial is given any."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.data.allotment import deal
from lensmith.data.bonds import bonds
from lensmith.data.by_recipe import load_by_recipe
from lensmith.data.dataset import ImageDataset
from lensmith.data.decisions import decide, read_decisions
from lensmith.data.split_file import write_split_file
from lensmith.data.splitting import Roles, make_splits
from lensmith.errors import DataError
from lensmith.runs.recipe import Recipe

CONFIRMED, MOST_CONFIRMED = 0.25, 2_000
"""Share of the training pictures, and the most of them, that are asked once, when the search is over."""
JUDGED, MOST_JUDGED = 0.2, 2_000
"""Of the others, those that trials are judged on where the data have no val; last layers on features are judged in
folds of all of them."""
FOLDS, _FEWEST = 5, 20
"""Pictures under which no part can be spared."""


@dataclass(frozen=True)
class Grounds:
    """The pictures that are not held out, each for one thing alone.

    learn: trials learn from them; judge: trials are judged on them, none where that is done in folds of `learn`;
    confirm: the winner and the default recipe are compared on them, once. said: the same in words.
    """

    learn: ImageDataset
    judge: ImageDataset | None
    confirm: ImageDataset
    said: str

    def for_a_trial(self) -> Roles:
        """What a trial may see: nothing of what confirms, nothing of what is held out."""
        nothing = self.learn.with_examples([])
        return Roles(self.learn, nothing, "none", self.judge, "for a trial")

    def for_confirming(self) -> Roles:
        """All that trials saw is learned from."""
        learn = self.learn
        if self.judge is not None and self.said_by_data:
            return replace(self.for_a_trial(), made="for the comparison")
        both = [*learn.examples, *(self.judge.examples if self.judge is not None else ())]
        return Roles(learn.with_examples(both), learn.with_examples([]), "none", None, "for the comparison")

    @property
    def said_by_data(self) -> bool:
        """Whether the data themselves have a split for choices, which is never learned from."""
        return self.judge is not None and all(example.split == "val" for example in self.judge.examples)


def load_roles(source: Any, recipe: Recipe, split_file: Path | None) -> Roles:
    """The roles of the pictures, with the decisions on them. split_file: where it says which are held out, if it is
    there; else it is written, so that they stay so whatever becomes of the files. None: nothing is written."""
    known = recipe if split_file is None else recipe.changed(splits=str(split_file))
    if split_file is None or split_file.exists():
        _, roles = load_by_recipe(source, known)
    else:
        _, roles = load_by_recipe(source, recipe.changed(drop_leaks=False))
        write_split_file(split_file, roles.as_data(), source)
        if recipe.drop_leaks:
            _, roles = load_by_recipe(source, known)
    if recipe.decisions:
        file = Path(recipe.decisions)
        roles, _ = decide(roles, read_decisions(file), file, source)
    return roles


def spare(roles: Roles, folded: bool, seed: int) -> Grounds:
    """Divide what is not held out; equal pictures and those of a group stay together, and each class has its share.

    folded: whether trials are judged in folds. Raises `DataError` where there are too few pictures to compare on.
    """
    train = roles.train
    rest, confirm = _parted(train, min(CONFIRMED, MOST_CONFIRMED / len(train)), seed)
    if len(rest) < _FEWEST or len(confirm) < 2:
        raise DataError(
            f"{train.name}: {len(train):,} training pictures are too few for a sweep",
            hint="Its winner is compared with the default recipe on a part of them. "
            f"Some {2 * _FEWEST} pictures are the least; train alone needs no more than these.",
        )
    asked = f"{len(confirm):,} kept back to confirm the winner"
    if roles.choice is not None:
        said = f"{len(rest):,} to learn from, {len(roles.choice):,} of val to judge trials on, {asked}"
        return Grounds(rest, roles.choice, confirm, said)
    if folded and len(rest) <= MOST_JUDGED:
        said = f"{len(rest):,} to learn from and to judge trials on, in {FOLDS} folds, {asked}"
        return Grounds(rest, None, confirm, said)
    learn, judge = _parted(rest, min(JUDGED, MOST_JUDGED / len(rest)), seed + 1)
    said = f"{len(learn):,} to learn from, {len(judge):,} to judge trials on, {asked}"
    return Grounds(learn, judge, confirm, said)


def folds_of(learn: ImageDataset, seed: int) -> NDArray[np.int64]:
    """int64 [N]: the fold of each picture, from 1; 0 for the only picture of a class, which no fold leaves out."""
    bound = bonds(learn)
    fold_of = deal(bound, min(FOLDS, len(bound)), seed)
    folds = np.zeros(len(learn), np.int64)
    for bond in bound:
        folds[list(bond.rows)] = fold_of[bond.key]
    return folds


def _parted(data: ImageDataset, share: float, seed: int) -> tuple[ImageDataset, ImageDataset]:
    """Two parts, the second of about that share of each class."""
    split = make_splits(data.with_examples([replace(one, split="") for one in data.examples]), share, seed)
    is_second = [example.split == "val" for example in split.examples]
    first = [one for one, second in zip(data.examples, is_second, strict=True) if not second]
    others = [one for one, second in zip(data.examples, is_second, strict=True) if second]
    return data.with_examples(first), data.with_examples(others)


def digest_of(parts: Sequence[ImageDataset | None]) -> str:
    """What tells whether two sweeps have the same pictures for the same things."""
    words = " ".join("" if part is None else part.fingerprint for part in parts)
    return hashlib.sha256(words.encode()).hexdigest()
