"""A finished run with everything that a study looks at."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.data.by_recipe import roles_of
from lensmith.data.dataset import ImageDataset
from lensmith.errors import DataError
from lensmith.evaluation.comparison import Measured
from lensmith.evaluation.report import Report, report_from
from lensmith.features.embed import Features
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import read_json
from lensmith.runs.predictions import Predictions, read_predictions


@dataclass(frozen=True)
class Subject:
    """train: what it learned from; held_out: what it was measured on, in the order of `predictions`; ends: by when
    (time.perf_counter) its studies should be over, None where nothing hurries; features: of each of `train` what its
    last layer learned from, where that is at hand."""

    run: RunDirectory
    bundle: Bundle
    train: ImageDataset
    held_out: ImageDataset
    predictions: Predictions
    report: Report
    ends: float | None = None
    features: Features | None = None

    @property
    def device(self) -> str:
        """Where it was trained."""
        return self.run.recipe().device or "cpu"

    def left(self) -> float:
        """Seconds that are left."""
        return math.inf if self.ends is None else self.ends - time.perf_counter()

    def require(self, seconds: float, what: str) -> None:
        """Raise `TimeoutError` where fewer seconds are left than something takes about."""
        if self.left() < seconds:
            raise TimeoutError(f"{what} takes about {max(1, seconds):.0f} s")

    def measured(self) -> Measured:
        """What the model said, with its names."""
        return Measured(self.run.path.name, self.report.task, self.report.classes, self.predictions)

    def pictures(self) -> ImageDataset:
        """All of them, each with its split."""
        parts = (("train", self.train), (self.report.split, self.held_out))
        return self.train.with_examples(
            [dataclasses.replace(example, split=name) for name, part in parts for example in part.examples]
        )


def find_subject(run: RunDirectory) -> Subject:
    """A run from its files, with its pictures as they lie now.

    Raises `DataError` where the pictures are gone, or are others than those that were measured.
    """
    report = report_from(read_json(run.report_file), str(run.report_file))
    facts, recipe, predictions = run.facts(), run.recipe(), read_predictions(run.predictions_file)
    source = facts.get("data", {}).get("source", "")
    if not _is_loadable(source):
        raise DataError(
            f"{run.path}: its pictures came from {source or 'nowhere that is known'}, which cannot be opened again",
            hint="Studies of data given in Python are made by train itself.",
        )
    roles = roles_of(source, recipe)
    asked = roles.train if predictions.out_of_fold else roles.held_out
    return Subject(
        run,
        load_model(run.model),
        roles.train,
        as_measured(asked, predictions, source),
        predictions,
        report,
    )


def as_measured(held_out: ImageDataset, predictions: Predictions, source: Any) -> ImageDataset:
    """The held-out pictures in the order in which they were measured, found by what they hold."""
    there = dict(zip(held_out.ids, held_out.examples, strict=True))
    missing = [name for name in predictions.ids.tolist() if name not in there]
    if missing:
        raise DataError(
            f"{source}: {len(missing):,} of the {len(predictions.ids):,} pictures that were measured are not there "
            "any more, or were changed",
            hint="Measure on the pictures as they are now: lensmith evaluate RUN DATA",
        )
    return held_out.with_examples([there[name] for name in predictions.ids.tolist()])


def _is_loadable(source: str) -> bool:
    return bool(source) and (Path(source).exists() or source == "digits" or ":" in source)
