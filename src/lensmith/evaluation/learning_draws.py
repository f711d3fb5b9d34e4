"""A linear head learns from parts of the training pictures, and is asked about others of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lensmith.features.embed import Features
from lensmith.features.linear import fit_linear
from lensmith.types import Event, Task

Floats = NDArray[np.floating[Any]]
Rows = NDArray[np.int64]

SHARES = (0.25, 0.35, 0.5, 0.7, 1.0)
"""Of the pictures that a draw learns from, each part within the next."""
HALF = SHARES.index(0.5)
_FOLDS = 5
_FEW_PICTURES = 500
_FEW = 256
"""Rows up to which one thread computes."""
_ASKED = 2000
"""Pictures that a draw is measured on, at most."""


@dataclass(frozen=True)
class Draws:
    """What heads got wrong, each on pictures that it did not learn from.

    sizes: [D, S], pictures learned from in each draw; rows: D times int64 [m], those asked about; errors: D times
    [S, m], of each: 0 or 1 for a class, the share of wrong labels, or how far off a number is.
    """

    sizes: Floats
    rows: list[Rows]
    errors: list[Floats]

    def __len__(self) -> int:
        return len(self.rows)

    def per_picture(self, count: int) -> tuple[Floats, NDArray[np.bool_]]:
        """Mean error of each picture over the draws that asked about it, [S, N], and which were asked, bool [N]."""
        sums, times = np.zeros((self.sizes.shape[1], count)), np.zeros(count)
        for rows, errors in zip(self.rows, self.errors, strict=True):
            sums[:, rows] += errors
            times[rows] += 1
        return sums / np.maximum(times, 1), times > 0


def draws_wanted(count: int) -> int:
    """As many as take about half a minute."""
    return 20 if count <= _FEW_PICTURES else 10 if count <= 2500 else _FOLDS


def draw_heads(
    features: Features,
    targets: NDArray[Any],
    groups: Sequence[str],
    task: Task,
    outputs: int,
    *,
    seed: int = 0,
    seconds: float = 60.0,
    wanted: int | None = None,
) -> Generator[Event, None, Draws]:
    """Leave a fifth out in turn, learn from parts of the rest; a generator of progress.

    features: [N, D]; targets: as `target_array` gives them; groups: [N], pictures of one are never on both sides. The
    time is looked at after each draw; two are made at least, and of few pictures so many that each is asked about:
    fewer would not tell how much draws differ. wanted: draws, else by the number of pictures. The penalty is chosen
    once, by the most pictures that the first draw learns from: fewer would choose the same, or by chance.
    """
    began, wanted = time.monotonic(), wanted or draws_wanted(len(features))
    fewest = _FOLDS if len(features) <= _FEW_PICTURES else 2
    numbers = np.unique(np.array(groups), return_inverse=True)[1].astype(np.int64)
    strata = _strata(targets, task)[np.unique(numbers, return_index=True)[1]][numbers]  # its group's
    sizes, asked, errors = [], [], []
    strength: float | None = None
    for number in range(wanted):
        draw = np.random.default_rng([seed, number // _FOLDS])
        place = _places(numbers, strata, draw)
        fold = (place + strata) % _FOLDS == number % _FOLDS  # strata: small classes not all in the first
        left_out = np.flatnonzero(fold)
        if len(left_out) > _ASKED:
            left_out = np.sort(draw.permutation(left_out)[:_ASKED])
        parts = _nested(np.flatnonzero(~fold), place, strata)
        found = []
        with _threads_for(len(features)):
            for rows in reversed(parts):
                head = fit_linear(features[rows], targets[rows], outputs, task, numbers[rows], seed, strength)
                strength = head.strength
                said = features[left_out] @ head.weight.numpy().T + head.bias.numpy()
                found.append(_errors(said, targets[left_out], task))
        sizes.append([len(rows) for rows in parts])
        asked.append(left_out)
        errors.append(np.stack(found[::-1]))
        spent = time.monotonic() - began
        if number + 1 >= fewest and spent + spent / (number + 1) > seconds:
            break  # another draw would not be done in time
        if number + 1 < wanted:
            yield Event("learning curve", "draws", number + 1, wanted)
    return Draws(np.array(sizes, np.float64), asked, errors)


@contextlib.contextmanager
def _threads_for(rows: int) -> Iterator[None]:
    """With few rows one thread is done as soon as several, which mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if rows <= _FEW else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _strata(targets: NDArray[Any], task: Task) -> Rows:
    """int64 [N]: the class; a tenth of the numbers in their order; of several labels, nothing."""
    if task == "classification":
        return targets.astype(np.int64)
    if task == "multilabel":
        return np.zeros(len(targets), np.int64)
    ranks = np.argsort(np.argsort(targets[:, 0], kind="stable"), kind="stable")
    return ranks * 10 // len(targets)


def _places(groups: Rows, strata: Rows, draw: np.random.Generator) -> Rows:
    """The drawn place of each picture's group among those of its stratum, int64 [N]."""
    _, first, of_picture = np.unique(groups, return_index=True, return_inverse=True)
    stratum = strata[first]
    order = np.lexsort((draw.permutation(len(first)), stratum))
    start = np.searchsorted(stratum[order], stratum[order])
    place = np.empty(len(first), np.int64)
    place[order] = np.arange(len(first)) - start
    places: Rows = place[of_picture]
    return places


def _nested(rows: Rows, place: Rows, strata: Rows) -> list[Rows]:
    """For each share, the rows learned from: of each stratum the first places, one at least."""
    parts: list[list[Rows]] = [[] for _ in SHARES]
    for stratum in np.unique(strata[rows]):
        mine = rows[strata[rows] == stratum]
        places = np.unique(place[mine])
        for part, share in zip(parts, SHARES, strict=True):
            end = places[max(1, round(share * len(places))) - 1]
            part.append(mine[place[mine] <= end])
    return [np.sort(np.concatenate(part)) for part in parts]


def _errors(outputs: Floats, targets: NDArray[Any], task: Task) -> Floats:
    if task == "classification":
        wrong: Floats = (outputs.argmax(axis=1) != targets).astype(np.float64)
        return wrong
    if task == "multilabel":
        labels: Floats = ((outputs >= 0) != (targets > 0)).mean(axis=1)
        return labels
    off: Floats = np.abs(outputs - targets)[:, 0].astype(np.float64)
    return off
