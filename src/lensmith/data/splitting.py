"""Splits: stratified, never parting equal pictures or groups, and which of them plays which part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lensmith.data.allotment import Shares, allot, deal
from lensmith.data.bonds import Rows, bonds
from lensmith.data.dataset import ImageDataset
from lensmith.errors import DataError, UsageError
from lensmith.runs.predictions import OUT_OF_FOLD


@dataclass(frozen=True)
class Roles:
    """What each split is for. `choice` may steer a training; `held_out` is measured once, at the end.

    `made` says how the split came about. folds: of each picture of train its fold, from 1, or 0 for one that is in
    none; () where there are no folds. With folds and no split held out, `held_out` is empty.
    """

    train: ImageDataset
    held_out: ImageDataset
    held_out_name: str
    choice: ImageDataset | None
    made: str
    folds: tuple[int, ...] = ()

    def as_data(self) -> ImageDataset:
        """All pictures that are used, each with the split that it is in."""
        parts = [part for part in (self.train, self.choice, self.held_out) if part is not None]
        return self.train.with_examples([example for part in parts for example in part.examples])


def assign_roles(
    data: ImageDataset,
    fraction: float = 0.2,
    seed: int = 0,
    *,
    test: float = 0.0,
    folds: int = 0,
    together: Sequence[Rows] = (),
) -> Roles:
    """Of the splits found, the last of (train, val, test) is held out; data without splits are split first.

    fraction, test: what part of each class becomes val and test. With folds and no splits, only a test part that
    is asked for is held out. together: rows that must not part where splits are drawn. Raises `DataError` where there
    are not two classes, or nothing to train on or to hold out.
    """
    made = f"as the data say: {', '.join(data.splits)}"
    if data.splits not in ((), ("train",)):
        if test:
            raise UsageError(
                f"test_fraction={test:g}, and the data bring their own splits: {', '.join(data.splits)}",
                hint="Leave it out, or give all the pictures without splits.",
            )
    elif folds and not test:
        return _all_in_folds(data, folds, seed)
    else:
        shares = Shares(0.0 if folds else fraction, test, seed)
        made = f"drawn here: {_drawn_words(data, shares, bool(together))}"
        data = make_splits(data, shares.val, seed, test=test, together=together)
    roles = _held_out(data, made)
    return replace(roles, folds=_folds_of(roles.train, folds, seed)) if folds else roles


def _all_in_folds(data: ImageDataset, folds: int, seed: int) -> Roles:
    data = data.with_examples([replace(example, split="train") for example in data.examples])
    refuse_hopeless(data)
    made = f"{folds} folds, stratified, {_together_words(data)}, seed {seed}"
    return Roles(data, data.with_examples([]), OUT_OF_FOLD, None, made, _folds_of(data, folds, seed))


def _held_out(data: ImageDataset, made: str) -> Roles:
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


def _drawn_words(data: ImageDataset, shares: Shares, copies: bool) -> str:
    parts = [f"{share:.0%} {name}" for name, share in (("val", shares.val), ("test", shares.test)) if share]
    share = " and ".join(parts) if len(parts) > 1 else parts[0].split()[0]
    return f"{share}, stratified, {_together_words(data, copies)}, seed {shares.seed}"


def _together_words(data: ImageDataset, copies: bool = False) -> str:
    kinds = ["equal pictures", *["near copies"] * copies, *["groups"] * bool(data.groups)]
    return f"{', '.join(kinds[:-1])}{' and ' if kinds[1:] else ''}{kinds[-1]} kept together"


def make_splits(
    data: ImageDataset,
    fraction: float = 0.2,
    seed: int = 0,
    *,
    test: float = 0.0,
    together: Iterable[Rows] = (),
) -> ImageDataset:
    """Hold out about `fraction` of each class as `val`, and `test` of it as `test`; what must not part lands on
    one side.

    together: rows that must not part, beside equal pictures and groups. Which side a picture lands on depends on
    its bytes (or its group's name) and the seed alone, but for the corrections of `allotment.allot`.
    """
    bound = bonds(data, together)
    split_of = allot(bound, Shares(fraction, test, seed))
    found = {row: split_of[bond.key] for bond in bound for row in bond.rows}
    return data.with_examples([replace(e, split=found[row]) for row, e in enumerate(data.examples)])


def _folds_of(train: ImageDataset, folds: int, seed: int) -> tuple[int, ...]:
    bound = bonds(train)
    if len(bound) < folds:
        raise DataError(
            f"{train.name}: folds={folds}, and only {len(bound)} different pictures or groups to deal out",
            hint=f"folds={len(bound)} is the most." if len(bound) > 1 else "Folds need more pictures.",
        )
    fold_of = deal(bound, folds, seed)
    found = {row: fold_of[bond.key] for bond in bound for row in bond.rows}
    if not set(range(1, folds + 1)) <= set(found.values()):
        raise DataError(
            f"{train.name}: folds={folds}, and its classes have too few different pictures for that",
            hint="Say fewer folds.",
        )
    return tuple(found[row] for row in range(len(train)))


def refuse_hopeless(train: ImageDataset, found: ImageDataset | None = None) -> None:
    """Raise `DataError` where there is nothing to learn to tell apart, or where of the pictures `found` most could
    not be read, or of a class none: a disk that fails is no smaller data set."""
    if found is not None and 2 * len(train) < len(found):
        raise DataError(
            f"{train.name}: only {len(train):,} of {len(found):,} training pictures can be read",
            hint="lensmith inspect lists each with its reason. Mend them, or take them out.",
        )
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
