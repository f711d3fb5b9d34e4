"""Measure a bundle on labelled pictures: the same decode, preprocessing and engine that `predict` uses."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from lensmith.bundle.bundle import Bundle
from lensmith.data.dataset import ImageDataset, Skipped
from lensmith.data.store import Column, open_column
from lensmith.errors import DataError
from lensmith.evaluation.metrics import measure
from lensmith.evaluation.report import Report
from lensmith.runs.predictions import Predictions
from lensmith.types import Event


@dataclass(frozen=True)
class Measurement:
    """A report, what the model said of each picture, the pictures in that order, and those left out."""

    report: Report
    predictions: Predictions
    data: ImageDataset
    skipped: tuple[Skipped, ...]


def measure_bundle(
    bundle: Bundle, data: ImageDataset, split: str, *, store: bool = True
) -> Generator[Event, None, Measurement]:
    """A generator of progress that returns the measurement. Classes are matched by name.

    Raises `DataError` for a class that the model does not know.
    """
    column: Column = yield from open_column(data, bundle.preprocess, store=store)
    used = column.matching(data)
    logits = bundle.logits(column.pixels) / np.float32(bundle.facts.temperature)
    targets = _targets(bundle, used)
    report = measure(logits, targets, bundle.classes)
    splits = np.full(len(used), split)
    files = np.array([str(example.source) for example in used.examples])
    predictions = Predictions(np.array(used.ids), targets, logits, splits, files)
    return Measurement(report, predictions, used, column.skipped)


def _targets(bundle: Bundle, data: ImageDataset) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    index = {name: i for i, name in enumerate(bundle.classes)}
    names = [data.words(target) for target in data.targets]
    unknown = sorted(set(names) - set(index))
    if unknown:
        raise DataError(
            f"{data.name} has class '{unknown[0]}', which the model does not know",
            hint=f"The model knows {', '.join(bundle.classes[:10])}.",
        )
    return np.array([index[name] for name in names], np.int64)
