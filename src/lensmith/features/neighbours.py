"""How far a picture lies from those that a model learned from, by what the model's last layer is given.

Distance to the k-th nearest neighbour (Sun and others, arXiv 2204.06507) among some of the training pictures.
Features are first put under a signed square root (Perronnin and others, ECCV 2010), so that no single one decides:
our network for 32 x 32 pictures then tells noise from pictures at an area of 0.99 in the place of 0.92. numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]
Distances = NDArray[np.float32]

MOST = 500
"""Pictures that are kept. On CIFAR-10 a thousand tell no more, and 200 nearly as much: noise at an area of 0.993 in
the place of 0.996, digits at 0.76 for 0.84. 500 of 1,280 features take 1.3 MB."""
FEWEST = 50
"""Pictures under which nothing is kept: nobody can say from them what one picture of a hundred is like."""
TINY = 1e-12
"""The least that a length counts as."""
AT_ONCE, _WITHOUT_THREADS = 16, 2**18
"""Pictures, and products of two numbers, that OpenBLAS computes in the thread that asks."""
MARKED = 0.01
"""The share of pictures like the training ones that is marked all the same."""


@dataclass(frozen=True)
class Neighbours:
    """bank: float16 [n, D], features of training pictures, as directions; limit: the distance, 0 to 2, beyond which a
    picture is unlike all of them."""

    bank: NDArray[np.float16]
    limit: float

    @property
    def rank(self) -> int:
        """Which of the nearest is looked at: one in a hundred of those kept, the nearest at least."""
        return max(1, len(self.bank) // 100)

    def distances(self, features: Features) -> Distances:
        """Features, float [N, D] -> 1 minus the cosine to the `rank`-th nearest, float32 [N]; NaN stays NaN."""
        return _distances(directions(features), self._towards, self.rank)

    @cached_property
    def _towards(self) -> Features:
        """The bank in float32: to make it so takes as long as a picture takes a small network."""
        return self.bank.astype(np.float32)

    def are_unlike(self, distances: Distances) -> NDArray[np.bool_]:
        """bool [N]; what is no number is unlike anything."""
        near: NDArray[np.bool_] = distances <= np.float32(self.limit)
        return ~near


def directions(features: Features) -> Features:
    """Signed square roots, each row of length one, or all zero; float32 [N, D]."""
    values = np.asarray(features, np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # of a network that has diverged
        roots = np.sign(values) * np.sqrt(np.abs(values))
        lengths = np.sqrt(np.abs(values).sum(axis=1, keepdims=True))
        found: Features = roots / np.maximum(lengths, np.float32(TINY))
    return found


def _distances(towards: Features, bank: Features, rank: int) -> Distances:
    cosines = _products(towards, bank)
    found: Distances = 1 - np.sort(cosines, axis=1)[:, -rank]  # NaN sorts last, and so comes out
    return found


def _products(towards: Features, bank: Features) -> Features:
    """towards @ bank.T, in pieces so small that numpy starts no threads for them: those of OpenBLAS go on waiting
    busily for longer than it all takes, which tripled the CPU time of a photo."""
    found = np.empty((len(towards), len(bank)), np.float32)
    few = min(AT_ONCE, max(1, len(towards)))
    rows = max(1, _WITHOUT_THREADS // (few * max(1, bank.shape[1])))
    for top in range(0, len(towards), few):
        for left in range(0, len(bank), rows):
            part = towards[top : top + few], bank[left : left + rows].T
            np.matmul(*part, out=found[top : top + few, left : left + rows])
    return found


def choose_rows(targets: NDArray[Any], count: int, seed: int) -> NDArray[np.intp]:
    """Which `count` pictures to keep: of each class the same number, as far as it has them; drawn by the seed.

    targets: class indices [N]; anything else counts as one class.
    """
    order = np.random.default_rng(seed).permutation(len(targets))
    if targets.ndim > 1 or not np.issubdtype(targets.dtype, np.integer):
        return order[:count]
    turn = np.zeros(len(targets), np.intp)  # the how manyth of its class a picture is
    for kind in np.unique(targets):
        rows = order[targets[order] == kind]
        turn[rows] = np.arange(len(rows))
    return order[np.argsort(turn[order], kind="stable")][:count]


def find_neighbours(kept: Features, unseen: Features | None = None) -> Neighbours | None:
    """What to keep of a model, with a limit that about one in a hundred pictures like these lies beyond.

    kept: features of training pictures, [n, D]. unseen: of pictures that were not learned from, [m, D]; without them
    each of `kept` is compared with the others, which is the same where features learned nothing from them.
    None with fewer than 50 of either, or where features are no numbers.
    """
    others = kept if unseen is None else unseen
    if min(len(kept), len(others)) < FEWEST or not (np.isfinite(kept).all() and np.isfinite(others).all()):
        return None
    bank = directions(kept).astype(np.float16)
    found = Neighbours(bank, 2.0)
    if unseen is not None:
        distances = found.distances(unseen)
    else:
        cosines = _products(directions(kept), bank.astype(np.float32))
        np.fill_diagonal(cosines, -np.inf)
        distances = 1 - np.sort(cosines, axis=1)[:, -found.rank]
    limit = float(np.sort(distances)[_place(len(distances))])
    # Some way beyond the last that is like the others, so that rounding marks none of them.
    return Neighbours(bank, min(2.0, max(limit, 1e-3) * (1 + 1e-3)))


def _place(count: int) -> int:
    """Which of so many distances in their order is the limit: one that a new one exceeds with a chance of `MARKED`,
    or the largest, where they are too few for that."""
    return min(count, int(np.ceil((1 - MARKED) * (count + 1)))) - 1
