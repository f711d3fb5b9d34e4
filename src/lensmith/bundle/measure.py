"""Measure a bundle on labelled pictures: the same decode, preprocessing and engine that `predict` uses."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    logits = bundle.logits(column.pixels)
    targets = _targets(bundle, used)
    report = measure(logits / np.float32(bundle.facts.temperature), targets, bundle.classes, bundle.task)
    splits = np.full(len(used), split)
    files = np.array([str(example.source) for example in used.examples])
    predictions = Predictions(np.array(used.ids), targets, logits, splits, files)
    return Measurement(report, predictions, used, column.skipped)


def _targets(bundle: Bundle, data: ImageDataset) -> NDArray[Any]:
    """Targets in the order of the model's outputs: indices [N], 0 or 1 [N, L], or numbers [N]."""
    if data.task != bundle.task:
        raise DataError(f"{data.name} is for {data.task}, and the model for {bundle.task}")
    if data.task == "regression":
        return np.array(data.targets, np.float32)
    index = {name: i for i, name in enumerate(bundle.classes)}
    rows = [target if isinstance(target, tuple) else (int(target),) for target in data.targets]
    names = [[data.classes[i] for i in row] for row in rows]
    unknown = sorted({name for row in names for name in row} - set(index))
    if unknown:
        raise DataError(
            f"{data.name} has class '{unknown[0]}', which the model does not know",
            hint=f"The model knows {', '.join(bundle.classes[:10])}.",
        )
    if data.task == "classification":
        return np.array([index[row[0]] for row in names], np.int64)
    shown = np.zeros((len(names), len(index)), np.int64)
    for number, row in enumerate(names):
        shown[number, [index[name] for name in row]] = 1
    return shown
