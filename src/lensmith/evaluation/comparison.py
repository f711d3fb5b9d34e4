"""Which of two models is better, and is it luck? By what both said of the same pictures; no model is run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.errors import DataError, UsageError
from lensmith.evaluation.intervals import Floats, Value
from lensmith.evaluation.paired import holm, mcnemar, paired_difference, paired_means
from lensmith.evaluation.precision import average_precision, mean_parts, mean_precision
from lensmith.evaluation.ranking import rank
from lensmith.evaluation.report import report_from
from lensmith.evaluation.spread import Spread, beside_spread, spread_from
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import read_json
from lensmith.runs.predictions import Predictions, read_predictions
from lensmith.types import Task

_LUCK = 0.05
"""A difference that luck alone brings about more often than that is none."""
_FIGURES: dict[Task, str] = {"classification": "accuracy", "multilabel": "mean_ap", "regression": "mae"}


@dataclass(frozen=True)
class Measured:
    """What a model said of the pictures that it was measured on, what its outputs are called, and the spread of its
    training over seeds, where some were tried."""

    name: str
    task: Task
    classes: list[str]
    predictions: Predictions
    spread: Spread | None = None

    def words(self, row: int) -> Any:
        """The target of a picture by name."""
        target = self.predictions.targets[row]
        if self.task == "classification":
            return self.classes[int(target)]
        if self.task == "multilabel":
            return frozenset(self.classes[i] for i in np.flatnonzero(target))
        return float(target)

    def answer(self, row: int) -> str:
        """What the model said of a picture."""
        logits = self.predictions.logits[row]
        if self.task == "multilabel":
            return ", ".join(self.classes[i] for i in np.flatnonzero(logits >= 0)) or "none"
        return self.classes[int(logits.argmax())] if self.task == "classification" else f"{logits[0]:.4g}"


def measured(run: RunDirectory) -> Measured:
    """A run's predictions with their names. Raises `ModelFileError` where it was not measured."""
    predictions = read_predictions(run.predictions_file)
    report = report_from(read_json(run.report_file), str(run.report_file))
    spread = spread_from(report.studies.get("seeds", {}))
    return Measured(str(run.path), report.task, report.classes, predictions, spread)


@dataclass(frozen=True)
class Comparison:
    """Two models on the pictures that both were measured on.

    figure: what is compared; values: of the first and the second; difference: first less second.
    chance: of such a difference, were there none. alone: rows of `pictures` that the first, and the second, alone
    gets right, as (file, what it shows, what the other said). left_out: pictures of the first and the second
    that the other has not; relabelled: pictures that show something else in each; seeds: what the spread over seeds
    says of the difference, where one of them has it.
    """

    first: str
    second: str
    figure: str
    values: tuple[float, float]
    difference: Value
    chance: float
    alone: tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]
    left_out: tuple[int, int]
    relabelled: int
    seeds: str = ""

    @property
    def count(self) -> int:
        """Pictures compared."""
        return self.difference.count

    @property
    def better(self) -> str | None:
        """The name of the better one, where it is not luck."""
        if self.chance >= _LUCK or self.difference.low is None:
            return None
        first_leads = (self.difference.value > 0) != (self.figure == "mae")
        return self.first if first_leads else self.second

    def verdict(self) -> str:
        """One sentence for a person."""
        first, second = (self._shown(value) for value in self.values)
        beside = f"{self.first} {first}, {self.second} {second}, on {self.count:,} pictures"
        if self.better is None:
            return f"no difference that these pictures can show: {beside}{self._between()}"
        other = self.second if self.better == self.first else self.first
        apart = self._apart(abs(self.difference.value))
        return f"{self.better} is better than {other} by {apart}: {beside}{self._between()}"

    def brief(self) -> str:
        """What the first is beside the second, in half a sentence."""
        if self.better is None:
            return f"not to be told apart from {self.second}"
        word = "better" if self.better == self.first else "worse"
        return f"{word} than {self.second} by {self._apart(abs(self.difference.value))}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        named = {"first": self.first, "second": self.second, "better": self.better}
        alone = [
            [{"file": file, "shows": shows, "other_said": said} for file, shows, said in part]
            for part in self.alone
        ]
        return {
            "verdict": self.verdict(),
            **named,
            "figure": self.figure,
            "values": list(self.values),
            "difference": self.difference.as_dict(),
            "p": self.chance,
            "count": self.count,
            "left_out": list(self.left_out),
            "relabelled": self.relabelled,
            "seeds": self.seeds,
            "alone": alone,
        }

    def _shown(self, value: float) -> str:
        return f"{value:.1%}" if self.figure == "accuracy" else f"{value:.3f}"

    def _apart(self, value: float) -> str:
        return f"{100 * value:.1f} points" if self.figure == "accuracy" else f"{value:.3f}"

    def _between(self) -> str:
        low, high = self.difference.low, self.difference.high
        if low is None or high is None:
            return f" ({self.difference.why})"
        ends = f"{self._signed(low)} and {self._signed(high)}"
        luck = "p < 0.001" if self.chance < 0.001 else f"p = {self.chance:.2g}"
        return f"; the difference lies between {ends} ({luck})"

    def _signed(self, value: float) -> str:
        return f"{100 * value:+.1f}" if self.figure == "accuracy" else f"{value:+.3f}"


def compare(runs: Sequence[Measured]) -> list[Comparison]:
    """The first of the runs beside each other one. Of several, each has to be the clearer (Holm).

    Raises `UsageError` for different tasks, `DataError` where two have no picture in common.
    """
    if len(runs) < 2:
        raise UsageError("comparing takes two runs or more", hint="lensmith compare RUN RUN")
    found = [_compared(runs[0], other) for other in runs[1:]]
    chances = holm([one.chance for one in found])
    return [replace(one, chance=chance) for one, chance in zip(found, chances, strict=True)]


def _compared(a: Measured, b: Measured) -> Comparison:
    if a.task != b.task:
        raise UsageError(f"{a.name} is for {a.task} and {b.name} for {b.task}: nothing to compare")
    pairs = _common(a.predictions, b.predictions)
    if not len(pairs):
        raise DataError(
            f"{a.name} and {b.name} were measured on different pictures",
            hint="--data DATA measures all of them on the same pictures now.",
        )
    same = np.array([a.words(i) == b.words(j) for i, j in pairs.tolist()])
    both, left_out = pairs[same], (len(a.predictions.ids) - len(pairs), len(b.predictions.ids) - len(pairs))
    if not len(both):
        raise DataError(f"{a.name} and {b.name} call every picture something else")
    values, difference, chance = _told_apart(a, b, both)
    return Comparison(
        a.name,
        b.name,
        _FIGURES[a.task],
        values,
        difference,
        chance,
        _alone(a, b, both),
        left_out,
        int((~same).sum()),
        beside_spread((a.name, b.name), (a.spread, b.spread), values),
    )


def _common(a: Predictions, b: Predictions) -> NDArray[np.intp]:
    """Rows of the pictures that both have, intp [n, 2]; equal pictures as often as both have them."""
    there = {key: row for row, key in enumerate(_keys(b.ids))}
    found = [(row, there[key]) for row, key in enumerate(_keys(a.ids)) if key in there]
    return np.array(found, np.intp).reshape(-1, 2)


def _keys(ids: NDArray[np.str_]) -> Iterator[tuple[str, int]]:
    seen: Counter[str] = Counter()
    for name in ids.tolist():
        yield name, seen[name]
        seen[name] += 1


def _told_apart(a: Measured, b: Measured, rows: NDArray[np.intp]) -> tuple[tuple[float, float], Value, float]:
    """The figure of each, their difference, and the chance of it."""
    if a.task == "classification":
        right_a, right_b = _right(a, rows[:, 0]), _right(b, rows[:, 1])
        first, second = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
        shares = float(right_a.mean()), float(right_b.mean())
        return shares, paired_difference(first, second, len(rows)), mcnemar(first, second)
    (parts_a, why_a), (parts_b, why_b) = (
        _parts(one, rows[:, side], a.classes) for side, one in enumerate((a, b))
    )
    difference, chance = paired_means(parts_a, parts_b)
    if why := why_a or why_b:
        difference, chance = replace(difference, low=None, high=None, why=why), 1.0
    return (float(parts_a.mean()), float(parts_b.mean())), difference, chance


def _right(one: Measured, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """bool [n]: for which pictures its answer is what they show; of several labels, all of them."""
    logits, targets = one.predictions.logits[rows], one.predictions.targets[rows]
    if one.task == "multilabel":
        whole: NDArray[np.bool_] = ((logits >= 0) == targets.astype(bool)).all(axis=1)
        return whole
    right: NDArray[np.bool_] = logits.argmax(axis=1) == targets
    return right


def _parts(one: Measured, rows: NDArray[np.intp], classes: list[str]) -> tuple[Floats, str]:
    """What each picture adds to the figure, [n], their mean being the figure; and why nothing is told of it."""
    logits, targets = one.predictions.logits[rows], one.predictions.targets[rows]
    if one.task == "regression":
        return np.abs(logits[:, 0].astype(np.float64) - targets.astype(np.float64)), ""
    if set(one.classes) != set(classes):
        other = min(set(one.classes) ^ set(classes))
        raise DataError(f"{one.name}: label '{other}' is known to one of the two models alone")
    order = [one.classes.index(name) for name in classes]
    shown = targets.astype(bool)
    ranked = [rank(logits[:, i], shown[:, i]) for i in order]
    known = [found for found in map(average_precision, ranked) if found is not None]
    value = mean_precision(known, len(rows))
    return (value.value + mean_parts(known) if known else np.zeros(len(rows))), value.why


def _alone(
    a: Measured, b: Measured, rows: NDArray[np.intp]
) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    if a.task == "regression":
        return [], []
    right_a, right_b = _right(a, rows[:, 0]), _right(b, rows[:, 1])

    def told(mask: NDArray[np.bool_], other: Measured, side: int) -> list[tuple[str, str, str]]:
        return [
            (str(a.predictions.files[pair[0]]), _named(a.words(pair[0])), other.answer(pair[side]))
            for pair in rows[mask].tolist()
        ]

    return told(right_a & ~right_b, b, 1), told(right_b & ~right_a, a, 0)


def _named(words: Any) -> str:
    return ", ".join(sorted(words)) or "none" if isinstance(words, frozenset) else str(words)
