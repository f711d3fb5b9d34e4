"""`Report`: what was measured on which pictures, as counts, figures with intervals and a table per class."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

from lensmith.errors import ModelFileError
from lensmith.evaluation.baseline import Baseline, baseline_from
from lensmith.evaluation.confusions import Confused, most_confused
from lensmith.evaluation.intervals import Value, value_from
from lensmith.runs.predictions import OUT_OF_FOLD
from lensmith.types import Task


@dataclass(frozen=True)
class ClassFigures:
    """One class: pictures that show it, the share of them found, the share of answers for it that hold, both in one,
    how well its scores rank pictures, and the probability from which on it is said, where that was chosen."""

    name: str
    count: int
    recall: Value
    precision: Value
    f1: Value
    roc_auc: Value | None = None
    average_precision: Value | None = None
    threshold: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "name": self.name,
            "count": self.count,
            "recall": self.recall.as_dict(),
            "precision": self.precision.as_dict(),
            "f1": self.f1.as_dict(),
            "roc_auc": None if self.roc_auc is None else self.roc_auc.as_dict(),
            "average_precision": None if self.average_precision is None else self.average_precision.as_dict(),
            "threshold": self.threshold,
        }


@dataclass(frozen=True)
class Report:
    """A measurement. `report["accuracy"]` is a figure; `split`, `held_out` and `seen` say on what it stands.

    confusion: rows are what pictures show, columns what the model said, in the order of `classes`.
    baseline: what one answer for all pictures would get. studies: what else was looked into, as JSON by name.
    """

    task: Task
    count: int
    values: dict[str, Value]
    classes: list[str]
    per_class: list[ClassFigures] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)
    baseline: Baseline | None = None
    split: str = ""
    held_out: bool = False
    seen: int = 0
    studies: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Value:
        return self.values[name]

    @property
    def main(self) -> str:
        """The name of the figure that matters first."""
        return next(iter(self.values))

    @property
    def confused(self) -> list[Confused]:
        """The pairs of classes that were confused most often, at most 20."""
        return most_confused(self.classes, self.confusion)

    def verdict(self) -> str:
        """One sentence for a person."""
        value = self.values[self.main]
        pictures = f"{self.count:,} {'held-out ' if self.held_out else ''}pictures"
        if self.split == OUT_OF_FOLD:
            pictures = f"{self.count:,} pictures ({OUT_OF_FOLD})"
        shown = "{:.1%}" if self.task == "classification" else "{:.3f}"
        between = ""
        if value.low is not None and value.high is not None:
            between = f", between {shown.format(value.low)} and {shown.format(value.high)}"
        seen = f"; seen {self.seen} times" if self.seen > 1 else ""
        figure = shown.format(value.value)
        if self.task == "classification":
            return f"{figure} of {pictures} right{between}{self._doubt()}{seen}"
        if self.task == "multilabel":
            return f"mean average precision {figure} on {pictures}{between}{seen}"
        known = f" (always saying the median: {self.baseline.value.value:.3f})" if self.baseline else ""
        return f"off by {figure} on average over {pictures}{between}{known}{seen}"

    def _doubt(self) -> str:
        """Where the model is not clearly better than its baseline, that."""
        if self.baseline is None or (self.baseline.chance < 0.05 and self.baseline.difference.value > 0):
            return ""
        return (
            f"; always saying {self.baseline.answer} ({self.baseline.value.value:.1%}) is not clearly worse"
        )

    def as_dict(self) -> dict[str, Any]:
        """The JSON form, with each figure under its own name."""
        return {
            "task": self.task,
            "split": self.split,
            "held_out": self.held_out,
            "seen": self.seen,
            "count": self.count,
            "verdict": self.verdict(),
            **{name: value.as_dict() for name, value in self.values.items()},
            "baseline": None if self.baseline is None else self.baseline.as_dict(),
            "classes": self.classes,
            "per_class": [figures.as_dict() for figures in self.per_class],
            "confusion": self.confusion,
            "studies": self.studies,
            "confused": [pair.as_dict() for pair in self.confused],
        }

    def __str__(self) -> str:
        width = max((len(c.name) for c in self.per_class), default=0)
        lines = [self.verdict()]
        for c in self.per_class:
            lines.append(f"  {c.name:<{width}}  {c.count:>6,}  recall {c.recall}  precision {c.precision}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(c.name)}</td><td>{c.count:,}</td><td>{c.recall}</td><td>{c.precision}</td></tr>"
            for c in self.per_class
        )
        head = "<tr><th>class</th><th>pictures</th><th>recall</th><th>precision</th></tr>"
        return f"<p><b>{html.escape(self.verdict())}</b></p><table>{head}{rows}</table>"


def report_from(facts: dict[str, Any], name: str = "report") -> Report:
    """A `Report` from its JSON form. Raises `ModelFileError`, naming it, for another form."""
    try:
        return _report(facts)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{name}: its report is damaged, or of another version ({error!r})",
            hint="Measure again: lensmith evaluate RUN DATA",
        ) from error


def _report(facts: dict[str, Any]) -> Report:
    def value(one: dict[str, Any] | None) -> Value | None:
        return None if one is None else value_from(one)

    per_class = [
        ClassFigures(
            c["name"],
            c["count"],
            value_from(c["recall"]),
            value_from(c["precision"]),
            value_from(c["f1"]),
            value(c["roc_auc"]),
            value(c["average_precision"]),
            c["threshold"],
        )
        for c in facts["per_class"]
    ]
    values = {
        name: value_from(one)
        for name, one in facts.items()
        if isinstance(one, dict) and "value" in one and name != "baseline"
    }
    baseline = None if facts["baseline"] is None else baseline_from(facts["baseline"])
    same = {
        name: facts[name] for name in ("task", "count", "classes", "confusion", "split", "held_out", "seen")
    }
    studies = dict(facts.get("studies", {}))
    return Report(values=values, per_class=per_class, baseline=baseline, studies=studies, **same)
