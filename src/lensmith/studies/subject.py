"""A finished run with everything that a study looks at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.data.dataset import ImageDataset
from lensmith.data.sources import load_data
from lensmith.data.splitting import assign_roles
from lensmith.errors import DataError
from lensmith.evaluation.report import Report, report_from
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import read_json
from lensmith.runs.predictions import Predictions, read_predictions


@dataclass(frozen=True)
class Subject:
    """train: what it learned from; held_out: what it was measured on, in the order of `predictions`."""

    run: RunDirectory
    bundle: Bundle
    train: ImageDataset
    held_out: ImageDataset
    predictions: Predictions
    report: Report


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
    data = load_data(source, root=recipe.root, task=recipe.task)
    roles = assign_roles(data, recipe.val_fraction, recipe.seed)
    return Subject(
        run,
        load_model(run.model),
        roles.train,
        as_measured(roles.held_out, predictions, source),
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
