"""A number a picture: mean absolute and squared error, and how much of the spread is told."""

from __future__ import annotations

import math

import numpy as np

from lensmith.evaluation.baseline import Baseline
from lensmith.evaluation.intervals import Floats, Value, mean
from lensmith.evaluation.paired import paired_means
from lensmith.evaluation.report import Report


def measure_regression(outputs: Floats, targets: Floats) -> Report:
    """outputs: [N] or [N, 1]; targets: [N]. The baseline always says the median."""
    said, true = outputs.reshape(len(targets), -1)[:, 0].astype(np.float64), targets.astype(np.float64)
    error, middle = said - true, float(np.median(true))
    sizes, sizes_of_median = np.abs(error), np.abs(true - middle)
    values = {"mae": mean(sizes, least=0.0), "rmse": root_mean_square(error), "r2": r2(error, true)}
    difference, chance = paired_means(sizes, sizes_of_median)
    baseline = Baseline(f"{middle:.4g}", mean(sizes_of_median, least=0.0), difference, chance)
    return Report("regression", len(true), values, [], [], [], baseline)


def root_mean_square(error: Floats) -> Value:
    """The root of the mean squared error, and of the ends of its interval. error: [N]."""
    square = mean(np.square(error), least=0.0)
    low, high = (None if end is None else math.sqrt(end) for end in (square.low, square.high))
    return Value(math.sqrt(square.value), low, high, square.count, square.why)


def r2(error: Floats, true: Floats) -> Value:
    """One less the mean squared error by the variance of what is true. error, true: [N].

    Its interval is that of a mean (see `intervals.mean`) of what each picture adds to that ratio, and to its
    logarithm (delta method): the ends further out, since each alone is a little narrow where errors are heavy.
    """
    count, squares, apart = len(true), np.square(error), np.square(true - true.mean())
    spread = float(apart.mean())
    if spread <= 1e-24 * float(np.square(true).mean()):
        return Value(math.nan, None, None, count, "all pictures have the same number")
    ratio = float(squares.mean()) / spread
    if ratio == 0:
        return Value(1.0, None, None, count, "no picture shows an error")
    plain = mean(squares / spread - ratio * apart / spread)
    bent = mean(squares / squares.mean() - apart / spread)
    if plain.low is None or plain.high is None or bent.low is None or bent.high is None:
        return Value(1 - ratio, None, None, count, plain.why or bent.why)
    high = max(ratio + plain.high, ratio * math.exp(min(bent.high, 50.0)))
    low = min(ratio + plain.low, ratio * math.exp(bent.low))
    return Value(1 - ratio, 1 - high, 1 - max(0.0, low), count)
