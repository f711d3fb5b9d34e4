"""A number a picture: mean absolute and squared error, and how much of the spread is told."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.evaluation.intervals import bootstrap
from lensmith.evaluation.report import Report

Floats = NDArray[np.floating[Any]]


def measure_regression(outputs: Floats, targets: Floats) -> Report:
    """outputs: [N] or [N, 1]; targets: [N]. The baseline is the error of always saying the median."""
    said, true = outputs.reshape(len(targets), -1)[:, 0].astype(np.float64), targets.astype(np.float64)
    error = said - true
    count = len(true)

    def r2(rows: NDArray[np.intp]) -> float:
        spread = np.square(true[rows] - true[rows].mean()).mean()
        return float(1 - np.square(error[rows]).mean() / spread) if spread > 0 else float("nan")

    everything = np.arange(count)
    values = {
        "mae": bootstrap(lambda rows: float(np.abs(error[rows]).mean()), count),
        "rmse": bootstrap(lambda rows: float(np.sqrt(np.square(error[rows]).mean())), count),
        "r2": bootstrap(r2, count, r2(everything)),
    }
    baseline = float(np.abs(true - np.median(true)).mean())
    return Report("regression", count, values, [], [], [], baseline)
