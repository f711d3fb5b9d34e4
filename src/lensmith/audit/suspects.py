"""Labels worth a look: heads on what the packaged network sees doubt them, each asked about pictures new to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensmith.audit.doubts import Floats, doubt_labels, draws_for, how_many, shares_of, worth_a_look
from lensmith.data.bonds import bond_numbers
from lensmith.data.dataset import ImageDataset
from lensmith.evaluation.intervals import Value, proportion
from lensmith.types import Task

if TYPE_CHECKING:
    from lensmith.features.backbone import Looked

FEWEST = 40
"""Pictures under which nothing is doubted."""
_FEWEST_OF_CLASS = 5
"""Different pictures of a class that a head needs to know it."""
_ODD_LABEL, _ODD_NUMBER = math.log(9), 4.0
"""Log-odds against one of several labels (a probability of one in ten), and times the usual error of a number,
from which on a picture is worth a look."""


@dataclass(frozen=True)
class Suspect:
    """A label worth a look. row: of its data; label, suggestion: what it is called, and what the heads would call it;
    doubt: what the suspects are ranked by; why: in words."""

    row: int
    file: str
    label: str
    suggestion: str
    doubt: float
    why: str


@dataclass(frozen=True)
class Suspects:
    """What is worth a look, the likeliest first.

    wrong: about how many of the `count` labels that were judged are wrong, or why that cannot be told. agreement: the
    share of labels that the heads give too, out of fold. notes: what was left out, and why.
    """

    task: Task
    count: int
    listed: tuple[Suspect, ...]
    wrong: Value
    agreement: Value
    notes: tuple[str, ...] = ()

    def verdict(self) -> str:
        """One sentence for a person."""
        worth = (
            f"{len(self.listed):,} of {self.count:,} labels are worth a look"
            if self.listed
            else "no label is doubted"
        )
        words = [worth if self.count else "no label was judged"]
        if self.wrong.low is not None and self.wrong.high is not None:
            words.append(
                f"about {self.wrong.value:,.0f} are wrong, {self.wrong.high:,.0f} at most, "
                "if slips are as frequent among easy pictures as among others"
            )
        return "; ".join([*words, *self.notes])

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "verdict": self.verdict(),
            "count": self.count,
            "wrong": self.wrong.as_dict(),
            "agreement": self.agreement.as_dict(),
            "notes": list(self.notes),
            "listed": [vars(suspect) for suspect in self.listed],
        }


def find_suspects(data: ImageDataset, looked: Looked, seed: int = 0) -> Suspects:
    """The labels of `data` that heads on what was seen in its pictures doubt. Takes seconds, of many minutes.

    Equal pictures and those of one group are left out of a head together. Nothing is doubted in classes of a few
    pictures, nor where the heads tell the classes apart no better than by always naming the commonest.
    """
    rows, notes = _judged(data, looked)
    if len(rows) < FEWEST:
        notes += (f"fewer than {FEWEST} pictures can be judged",)
        return _nothing(data, notes)
    places = np.searchsorted(looked.rows, rows)
    features = looked.features if len(places) == len(looked.rows) else looked.features[places]
    judge = {"classification": _classes, "multilabel": _labels, "regression": _numbers}[data.task]
    return judge(data, features, rows, notes, seed)


def _judged(data: ImageDataset, looked: Looked) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Rows of the data whose labels can be judged, and what is left out."""
    if data.task != "classification":
        return looked.rows, ()
    targets = np.array(data.targets, np.int64)[looked.rows]
    together = bond_numbers(data)[looked.rows]
    counts = [len(np.unique(together[targets == index])) for index in range(len(data.classes))]
    few = [name for name, count in zip(data.classes, counts, strict=True) if 0 < count < _FEWEST_OF_CLASS]
    rows = looked.rows[np.array(counts)[targets] >= _FEWEST_OF_CLASS]
    if not few:
        return rows, ()
    more = f" and {len(few) - 5} more" if len(few) > 5 else ""
    return rows, (f"not judged, with fewer than {_FEWEST_OF_CLASS} pictures: {', '.join(few[:5])}{more}",)


def _classes(
    data: ImageDataset,
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    notes: tuple[str, ...],
    seed: int,
) -> Suspects:
    targets = np.array(data.targets, np.int64)[rows]
    shown, labels = np.unique(targets, return_inverse=True)
    if len(shown) < 2:
        return _nothing(data, (*notes, "one class alone"))
    doubts = doubt_labels(features, labels, len(shown), bond_numbers(data)[rows], seed)
    agreement = proportion(int((~doubts.denied).sum()), len(rows))
    commonest = np.bincount(labels).max() / len(rows)
    if agreement.low is None or agreement.low <= commonest:
        why = "the heads tell these classes apart no better than by always naming the commonest"
        untold = Value(math.nan, None, None, 0, why)
        return Suspects(data.task, len(rows), (), untold, agreement, (*notes, why))
    wrong = how_many(doubts, labels)
    shares = shares_of(doubts.scores, labels)
    names = [data.classes[index] for index in shown.tolist()]
    listed = []
    for row in worth_a_look(doubts, wrong).tolist():
        (own, share), (other, more) = ((names[c], shares[row, c]) for c in (labels[row], doubts.other[row]))
        why = f"the model says {other} ({more:.0%}), not {own} ({share:.0%})"
        listed.append(_suspect(data, rows[row], own, other, doubts.doubt[row], why))
    return Suspects(data.task, len(rows), tuple(listed), wrong, agreement, notes)


def _suspect(data: ImageDataset, row: Any, label: str, suggestion: str, doubt: float, why: str) -> Suspect:
    return Suspect(int(row), str(data.examples[row].source), label, suggestion, round(float(doubt), 4), why)


def _nothing(data: ImageDataset, notes: tuple[str, ...]) -> Suspects:
    nothing = Value(math.nan, None, None, 0, "nothing was judged")
    return Suspects(data.task, 0, (), nothing, nothing, notes)


def _labels(
    data: ImageDataset,
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    notes: tuple[str, ...],
    seed: int,
) -> Suspects:
    """Of several labels each is judged alone: one that is there and should not be, or the other way round."""
    from lensmith.features.out_of_fold import OutOfFold

    said = np.zeros((len(rows), len(data.classes)), np.float32)
    for place, row in enumerate(rows.tolist()):
        target = data.examples[row].target
        assert isinstance(target, tuple)
        said[place, list(target)] = 1
    heads = OutOfFold(features, said, said.shape[1], data.task, bond_numbers(data)[rows])
    draws = draws_for(len(rows))
    odds = np.mean([heads.outputs(seed + draw) for draw in range(draws)], axis=0).astype(np.float64)
    against = np.where(said > 0, -odds, odds)
    shown = np.minimum(said.sum(0), len(said) - said.sum(0)) >= _FEWEST_OF_CLASS
    against[:, ~shown] = -np.inf
    few = [data.classes[index] for index in np.flatnonzero(~shown).tolist()]
    if few:
        notes += (f"not judged, being on too few pictures or on all: {', '.join(few[:5])}",)
    agreement = proportion(int((against < 0)[:, shown].sum()), int(shown.sum()) * len(rows))
    doubt = against.max(axis=1, initial=-np.inf)
    order = np.argsort(-doubt, kind="stable")[: int((doubt >= _ODD_LABEL).sum())]
    listed = [_of_labels(data, int(rows[row]), said[row], against[row]) for row in order.tolist()]
    why = "a label that is missing is another slip than one too many"
    return Suspects(
        data.task, len(rows), tuple(listed), Value(math.nan, None, None, 0, why), agreement, notes
    )


def _of_labels(data: ImageDataset, row: int, said: NDArray[np.float32], against: Floats) -> Suspect:
    odd = np.flatnonzero(against >= _ODD_LABEL)
    odd = odd[np.argsort(-against[odd], kind="stable")]
    meant = said.copy()
    meant[odd] = 1 - meant[odd]
    share = 1 / (1 + np.exp(-against[odd]))
    reasons = [
        f"the model {'does not see' if said[index] else 'sees'} {data.classes[index]} ({certain:.0%})"
        for index, certain in zip(odd.tolist(), share.tolist(), strict=True)
    ]
    names = [";".join(data.classes[i] for i in np.flatnonzero(labels).tolist()) for labels in (said, meant)]
    return _suspect(data, row, names[0], names[1], float(against.max()), ", ".join(reasons))


def _numbers(
    data: ImageDataset,
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    notes: tuple[str, ...],
    seed: int,
) -> Suspects:
    """A number is doubted where it lies many times the usual error from what the heads say."""
    from lensmith.features.out_of_fold import OutOfFold

    numbers = np.array(data.targets, np.float64)[rows]
    heads = OutOfFold(features, numbers.astype(np.float32)[:, None], 1, data.task, bond_numbers(data)[rows])
    draws = [heads.outputs(seed + draw)[:, 0] for draw in range(draws_for(len(rows)))]
    said = np.array(draws, np.float64).mean(axis=0)
    off: Floats = np.abs(said - numbers)
    usual = max(1.4826 * float(np.median(off)), 1e-12)
    order = np.argsort(-off, kind="stable")[: int((off >= _ODD_NUMBER * usual).sum())]
    listed = []
    for row in order.tolist():
        why = f"the model says {said[row]:.4g}, {off[row] / usual:.1f} times the usual error away"
        listed.append(
            _suspect(data, rows[row], f"{numbers[row]:g}", f"{said[row]:.4g}", off[row] / usual, why)
        )
    why = "how far a number may lie from what a model says, nobody knows"
    nothing = Value(math.nan, None, None, 0, why)
    return Suspects(data.task, len(rows), tuple(listed), nothing, nothing, notes)
