"""The worst mistakes: where a model was surest and wrong, from what it said of the measured pictures alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.errors import DataError
from lensmith.evaluation.comparison import Measured
from lensmith.evaluation.confusions import Confused
from lensmith.evaluation.intervals import Value, proportion
from lensmith.types import Task

Floats = NDArray[np.floating[Any]]

MOST = 24
"""Mistakes that are listed."""
_PAIRS = 20
_SURE = 0.9
_TAKEN = {"classification": "taken for", "multilabel": "said to be"}


@dataclass(frozen=True)
class Mistake:
    """A picture about which the model was wrong.

    shows: its label; said: the answer. label: of several labels, the most surely wrong one; whether it was missed.
    probability: what the model gave to what is wrong. error: of a number, how far off.
    """

    file: str
    sha256: str
    shows: str
    said: str
    label: str = ""
    missed: bool | None = None
    probability: float | None = None
    error: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: the fields that the task gives a meaning."""
        return {name: value for name, value in asdict(self).items() if value not in ("", None)}

    def words(self) -> str:
        """What it said, and how surely."""
        if self.error is not None:
            return f"said to be {self.said}, is {self.shows}"
        if self.label:
            has = "no " if self.missed else ""
            return f"said to show {has}{self.label} with {self.probability:.1%}"
        return f"shows {self.shows}, called {self.said} with {self.probability:.1%}"


@dataclass(frozen=True)
class Mistakes:
    """What a model got wrong.

    share: of the measured pictures (none for numbers); sure: made with 90 % or more; worst: the surest first,
    or those furthest off; pairs: what was confused with what, the commonest first. mean: of numbers, how far off.
    """

    task: Task
    share: Value | None
    sure: int
    worst: list[Mistake]
    pairs: list[Confused]
    mean: float | None = None

    def verdict(self) -> str:
        """One sentence for a person."""
        if not self.worst:
            return "no picture that was measured is wrong"
        first = self.worst[0]
        if self.share is None:
            return f"off by {self.mean:.4g} on average; the furthest off, {Path(first.file).name}, {first.words()}"
        wrong = round(self.share.value * self.share.count)
        between = f"{self.share.value:.1%}, {self.share.low:.1%} to {self.share.high:.1%}"
        pair = self.pairs[0]
        most = f"most often {pair.shows} {_TAKEN[self.task]} {pair.said} ({pair.count:,})"
        sure = f"{self.sure:,} of them with {_SURE:.0%} or more"
        return f"{wrong:,} of {self.share.count:,} pictures wrong ({between}), {sure}; {most}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "verdict": self.verdict(),
            "task": self.task,
            "share": None if self.share is None else self.share.as_dict(),
            "sure": self.sure,
            "mean": self.mean,
            "worst": [mistake.as_dict() for mistake in self.worst],
            "pairs": [pair.as_dict() for pair in self.pairs],
        }


def worst_mistakes(model: Measured, *, temperature: float = 1.0, most: int = MOST) -> Mistakes:
    """The mistakes that a model was surest of; of numbers, those furthest off.

    temperature: what its logits are divided by. Raises `DataError` for logits that are not numbers or do not fit.
    """
    logits, targets = model.predictions.logits.astype(np.float64), model.predictions.targets
    if logits.ndim != 2 or len(logits) != len(targets) or not np.isfinite(logits).all():
        raise DataError(
            f"{model.name}: its predictions are no finite numbers, one row a picture",
            hint="Measure again: lensmith evaluate RUN DATA",
        )
    if model.task == "regression":
        return _of_numbers(model, logits[:, 0], targets.astype(np.float64).reshape(-1), most)
    if model.task == "multilabel":
        return _of_labels(model, logits / temperature, targets.astype(bool), most)
    return _of_classes(model, logits / temperature, targets.astype(np.int64), most)


def _of_classes(model: Measured, logits: Floats, targets: NDArray[np.int64], most: int) -> Mistakes:
    said = logits.argmax(axis=1)
    wrong = np.flatnonzero(said != targets)
    # How unlikely the answer is by the model's own words: no two are alike where probabilities are all rounded to 1.
    doubt = _doubt(logits[wrong], said[wrong])
    chance = 1 / (1 + doubt)
    order = np.lexsort((wrong, doubt))
    worst = [
        _mistake(model, int(wrong[i]), model.classes[said[wrong[i]]], probability=float(chance[i]))
        for i in order[:most]
    ]
    kinds, counts = np.unique(np.stack([targets[wrong], said[wrong]]), axis=1, return_counts=True)
    shown = np.bincount(targets, minlength=len(model.classes))
    pairs = [
        Confused(model.classes[a], model.classes[b], int(n), proportion(int(n), int(shown[a])))
        for (a, b), n in zip(kinds.T.tolist(), counts, strict=True)
    ]
    share = proportion(len(wrong), len(targets))
    return Mistakes("classification", share, int((chance >= _SURE).sum()), worst, _first(pairs))


def _doubt(logits: Floats, said: NDArray[np.integer[Any]]) -> Floats:
    """(1 - p) / p of each answer's probability p, [N], without rounding to 0."""
    rows = np.arange(len(logits))
    others = logits - logits[rows, said][:, None]
    others[rows, said] = -np.inf
    sums: Floats = np.exp(others).sum(axis=1)
    return sums


def _of_labels(model: Measured, logits: Floats, shown: NDArray[np.bool_], most: int) -> Mistakes:
    wrong = (logits >= 0) != shown
    surest = np.where(wrong, np.abs(logits), -1).argmax(axis=1)
    rows = np.flatnonzero(wrong.any(axis=1))
    margin = np.abs(logits[rows, surest[rows]])
    chance = 1 / (1 + np.exp(-margin))
    order = np.lexsort((rows, -margin))
    worst = [
        _mistake(
            model,
            int(rows[i]),
            model.answer(int(rows[i])),
            label=model.classes[surest[rows[i]]],
            missed=bool(shown[rows[i], surest[rows[i]]]),
            probability=float(chance[i]),
        )
        for i in order[:most]
    ]
    pairs = []
    for at, name in enumerate(model.classes):
        there, missed = int(shown[:, at].sum()), int((wrong & shown)[:, at].sum())
        vain = int((wrong & ~shown)[:, at].sum())
        pairs += [Confused(name, f"no {name}", missed, proportion(missed, there))]
        pairs += [Confused(f"no {name}", name, vain, proportion(vain, len(shown) - there))]
    share = proportion(len(rows), len(shown))
    return Mistakes("multilabel", share, int((chance >= _SURE).sum()), worst, _first(pairs))


def _of_numbers(model: Measured, said: Floats, true: Floats, most: int) -> Mistakes:
    errors = said - true
    order = np.argsort(-np.abs(errors), kind="stable")[:most]
    worst = [
        _mistake(model, int(row), f"{said[row]:.4g}", error=float(errors[row]))
        for row in order
        if errors[row]
    ]
    return Mistakes("regression", None, 0, worst, [], float(np.abs(errors).mean()))


def _mistake(model: Measured, row: int, said: str, **figures: Any) -> Mistake:
    words = model.words(row)
    if isinstance(words, frozenset):
        shows = ", ".join(sorted(words)) or "none"
    else:
        shows = f"{words:.4g}" if isinstance(words, float) else str(words)
    ids, files = model.predictions.ids, model.predictions.files
    return Mistake(str(files[row]), str(ids[row]), shows, said, **figures)


def _first(pairs: Sequence[Confused]) -> list[Confused]:
    return sorted((pair for pair in pairs if pair.count), key=lambda pair: -pair.count)[:_PAIRS]
