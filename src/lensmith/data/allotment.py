"""Which split, or which fold, each bond of pictures falls to: a lot drawn by its hash, corrected where a class
would else be far from its share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lensmith.data.bonds import Bond, shown_by, strata

SLACK = 0.25
"""How far the share held out of a class may lie from the one wanted, as a part of it (or of the rest, where that
is less): wide enough that a class of some hundred pictures is never corrected, and so nothing in it ever moves."""
_LEAST_SLACK = 0.5
"""In pictures: what rounding takes."""


@dataclass(frozen=True)
class Shares:
    """What part of each class is held out as val and as test; seed: of the draw."""

    val: float = 0.2
    test: float = 0.0
    seed: int = 0


def lot(key: str, seed: int) -> float:
    """In [0, 1), by the key and the seed alone."""
    return (
        int(hashlib.sha256(f"{seed} {key}".encode("utf-8", "surrogateescape")).hexdigest()[:13], 16) / 16**13
    )


def allot(bound: Sequence[Bond], shares: Shares, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """The split of each bond, by its key: test where its lot is low, val where it is a little higher, else train.

    In a class whose share would lie outside of `SLACK`, the lots that lie closest to the border count for the
    other side, no more of them than it takes. A class of two bonds or more is on both sides. A bond of more
    pictures than are to be held out of its class stays in train where others are there. known: of bonds whose
    split is settled; nothing is corrected in their classes.
    """
    settled = dict(known or {})
    split_of = dict(settled)
    for members in strata(bound).values():
        drawn = [bond for bond in members if bond.key not in settled]
        if len(drawn) < len(members):
            split_of |= {bond.key: _by_lot(lot(bond.key, shares.seed), shares) for bond in drawn}
        else:
            split_of |= _allot_class(drawn, shares)
    for _, members in sorted(shown_by(bound).items()):  # what shows several classes may leave one without
        if any(split_of[bond.key] == "train" for bond in members):
            continue
        if free := [bond for bond in members if bond.key not in settled]:
            split_of[max(free, key=lambda bond: lot(bond.key, shares.seed)).key] = "train"
    return split_of


def _by_lot(number: float, shares: Shares) -> str:
    return "test" if number < shares.test else "val" if number < shares.test + shares.val else "train"


def _allot_class(members: Sequence[Bond], shares: Shares) -> dict[str, str]:
    total = sum(len(bond.rows) for bond in members)
    most = max(1.0, total * (shares.val + shares.test))
    lots = {bond.key: lot(bond.key, shares.seed) + (len(bond.rows) > most) for bond in members}
    ordered = sorted(members, key=lambda bond: (lots[bond.key], bond.key))
    sizes, count = [len(bond.rows) for bond in ordered], len(ordered)

    def border(share: float) -> int:
        """How many, in that order, lie below a share of the lots, corrected."""
        return _corrected(sizes, sum(lots[bond.key] < share for bond in ordered), share) if share else 0

    least = 1 if count > 1 else 0
    test = min(max(border(shares.test), least), count - 1) if shares.test else 0
    both = border(shares.test + shares.val)
    if shares.val:
        both = min(max(both, test + least), count - 1)
    both = max(both, test)
    words = ["test"] * test + ["val"] * (both - test) + ["train"] * (count - both)
    return {bond.key: word for bond, word in zip(ordered, words, strict=True)}


def _corrected(sizes: Sequence[int], natural: int, share: float) -> int:
    """The border nearest to the natural one that holds out about `share` of the pictures."""
    total = sum(sizes)
    wanted = share * total
    slack = max(_LEAST_SLACK, SLACK * min(share, 1 - share) * total)
    at, taken = natural, sum(sizes[:natural])
    while abs(taken - wanted) > slack:
        after = taken + sizes[at] if taken < wanted else taken - sizes[at - 1]
        if abs(after - wanted) >= abs(taken - wanted):
            break
        at, taken = (at + 1 if after > taken else at - 1), after
    return at


def deal(bound: Sequence[Bond], folds: int, seed: int) -> dict[str, int]:
    """The fold of each bond, by its key, from 1: each class spread over them as evenly as its bonds allow.

    The only bond of a class is in none (0): a model that had not seen it could not know the class.
    """
    fold_of: dict[str, int] = {}
    filled = [0] * folds
    for members in strata(bound).values():
        if len(members) == 1:
            fold_of[members[0].key] = 0
            continue
        of_class = [0] * folds
        # The largest first, so that the small ones even them out.
        for bond in sorted(members, key=lambda bond: (-len(bond.rows), lot(bond.key, seed), bond.key)):
            fold = min(range(folds), key=lambda fold: (of_class[fold], filled[fold], fold))
            fold_of[bond.key] = fold + 1
            of_class[fold] += len(bond.rows)
            filled[fold] += len(bond.rows)
    return fold_of
