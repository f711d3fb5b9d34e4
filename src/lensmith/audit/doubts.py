"""How far each label of a class is doubted, and how many of them are likely to be wrong.

The idea is that of confident learning (Northcutt, Jiang and Chuang, 2021, arXiv:1911.00068): predictions out of
fold say which labels are likely to be wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensmith.evaluation.intervals import Value, proportion

_SURE = 0.33
"""Share of the pictures, those that the heads are surest of, that tells how frequent wrong labels are."""
_PICTURES = 5_000
"""That many pictures are left out in all, in at most `_DRAWS` ways of making folds: few gain by several."""
_DRAWS = 5
_LEAST = 0.3
"""Penalty of the heads: weaker ones learn wrong labels by heart, and find fewer of the others."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Doubts:
    """What heads say of N labels.

    scores: float64 [N, C], log-probabilities out of fold; doubt: float64 [N], those of the label, negative; other:
    int64 [N], the likeliest other class; denied: bool [N], whether that one is likelier than the label; strength: the
    heads' penalty.
    """

    scores: Floats
    doubt: Floats
    other: NDArray[np.int64]
    denied: NDArray[np.bool_]
    strength: float


def doubt_labels(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: int,
    together: NDArray[np.int64],
    seed: int = 0,
) -> Doubts:
    """How far each label, int64 [N], is doubted by heads that did not know the picture.

    features: [N, D]; together: int64 [N], rows of one number leave a head together. Ranked by the probability of the
    label itself: by its distance to that of another class, or beside the votes of neighbours, fewer flipped labels of
    CIFAR-10 were found.
    """
    from lensmith.features.out_of_fold import OutOfFold

    heads = OutOfFold(features, labels, classes, "classification", together, _LEAST)
    scores = _averaged([heads.outputs(seed + draw) for draw in range(draws_for(len(labels)))])
    every = np.arange(len(labels))
    own = scores[every, labels]
    others = scores.copy()
    others[every, labels] = -np.inf
    other = others.argmax(axis=1)
    return Doubts(scores, -own, other, others[every, other] > own, heads.strength)


def draws_for(count: int) -> int:
    """In how many ways folds are made."""
    return max(1, min(_DRAWS, _PICTURES // count))


def how_many(doubts: Doubts, labels: NDArray[np.int64]) -> Value:
    """About how many labels are wrong, by the pictures that the heads are surest of, whatever their labels say.

    There the heads hardly ever err, so a label that differs is most likely wrong (the "anchor points" of Liu and Tao,
    2016, arXiv:1411.7718). It counts for all pictures if slips are as frequent in the others.
    """
    scores = doubts.scores
    two = np.partition(scores, -2, axis=1)[:, -2:]
    surest = np.argsort(two[:, 0] - two[:, 1], kind="stable")[: max(1, round(_SURE * len(labels)))]
    differ = int((scores[surest].argmax(axis=1) != labels[surest]).sum())
    share, count = proportion(differ, len(surest)), len(labels)
    assert share.high is not None
    # Nothing tells a slip from an error of the heads, so the lower end is none at all.
    return Value(share.value * count, 0.0, share.high * count, count)


def worth_a_look(doubts: Doubts, wrong: Value) -> NDArray[np.intp]:
    """The rows to look at, the most doubted first: twice as many as there are wrong labels, at least as many as there
    may be, and none whose label the heads give too."""
    order = np.argsort(-doubts.doubt, kind="stable")
    return order[doubts.denied[order]][: math.ceil(max(2 * wrong.value, wrong.high or 0.0))]


def shares_of(scores: Floats, labels: NDArray[np.int64]) -> Floats:
    """Probabilities, of the temperature that fits the labels best."""
    every = np.arange(len(labels))

    def loss(temperature: float) -> float:
        scaled = scores / temperature
        return float((np.logaddexp.reduce(scaled, axis=1) - scaled[every, labels]).mean())

    scaled = scores / min(np.geomspace(0.1, 5, 40), key=loss)
    shares: Floats = np.exp(scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True))
    return shares


def _averaged(outputs: Sequence[NDArray[np.float32]]) -> Floats:
    scores = [
        one - np.logaddexp.reduce(one, axis=1, keepdims=True) for one in np.asarray(outputs, np.float64)
    ]
    averaged: Floats = np.mean(scores, axis=0)
    return averaged
