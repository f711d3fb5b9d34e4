"""Measure a bundle on labelled pictures: the same decode, preprocessing and engine that `predict` uses."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.engines import Logits
from lensmith.data.dataset import ImageDataset, Skipped
from lensmith.errors import DataError
from lensmith.evaluation.metrics import measure
from lensmith.evaluation.reliability import measure_reliability
from lensmith.evaluation.report import Report
from lensmith.evaluation.unlike import measure_unlike
from lensmith.features.neighbours import AT_ONCE, Distances
from lensmith.machine.processes import ALONE, Processes
from lensmith.pictures.decode import Pixels
from lensmith.runs.predictions import Predictions
from lensmith.store.store import Column, open_column
from lensmith.types import Event

_ALONE = 9
"""Times that one picture is computed for its latency, in `_SECONDS` at most."""
_SECONDS = 0.1


@dataclass(frozen=True)
class Speed:
    """How fast a model computes on this machine; reading and decoding a picture come on top.

    latency: seconds of one picture alone, the median; rate: pictures a second of `count` given at once.
    """

    engine: str
    threads: int
    latency: float
    rate: float
    count: int

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        rate = f"{self.rate:.1f}" if self.rate < 10 else f"{self.rate:,.0f}"
        return (
            f"one picture is computed in {self.latency * 1e3:.3g} ms, {self.count:,} at {rate} a second"
            f" ({self.engine}, {threads})"
        )


@dataclass(frozen=True)
class Measurement:
    """A report, what the model said of each picture and how fast, the pictures in that order, and those
    left out."""

    report: Report
    speed: Speed
    predictions: Predictions
    data: ImageDataset
    skipped: tuple[Skipped, ...]


def measure_bundle(
    bundle: Bundle, data: ImageDataset, split: str, *, store: bool = True, processes: Processes = ALONE
) -> Generator[Event, None, Measurement]:
    """A generator of progress that returns the measurement. Classes are matched by name.

    processes: which each take a share of the pictures, and all get what one would have got.

    Raises `DataError` for a class that the model does not know.
    """
    column: Column = yield from open_column(data, bundle.preprocess, store=store)
    used = column.matching(data)
    logits, distances, speed = timed_look(bundle, column.pixels, processes)
    targets = targets_of(bundle, used)
    report = report_on(bundle, logits, targets, distances)
    splits = np.full(len(used), split)
    files = np.array([str(example.source) for example in used.examples])
    predictions = Predictions(np.array(used.ids), targets, logits, splits, files)
    return Measurement(report, speed, predictions, used, column.skipped)


def report_on(
    bundle: Bundle, logits: Logits, targets: NDArray[Any], distances: Distances | None = None
) -> Report:
    """The figures of what a bundle says, with its temperature, and how far its probabilities can be believed.

    distances: float32 [N], to the training pictures, where the bundle keeps some of them.
    """
    facts, neighbours = bundle.facts, bundle.neighbours
    said_from = None if facts.label_thresholds is None else np.array(facts.label_thresholds)
    scaled = logits / np.float32(facts.temperature)
    report = measure(scaled, targets, facts.classes, facts.task, thresholds=said_from)
    reliability = measure_reliability(
        logits, targets, facts.task, facts.temperature, facts.threshold, said_from
    )
    studies = {"reliability": reliability.as_dict()} if reliability else {}
    if distances is not None and neighbours is not None:
        unlike, kept = neighbours.are_unlike(distances), len(neighbours.bank)
        marks = measure_unlike(unlike, logits, targets, facts.task, kept, neighbours.limit)
        studies |= {"unlike": marks.as_dict()} if marks else {}
    return replace(report, studies=studies)


def timed_look(
    bundle: Bundle, pixels: Pixels, processes: Processes = ALONE
) -> tuple[Logits, Distances | None, Speed]:
    """Prepared pictures, uint8 [N, H, W, 3] with N at least 1 -> logits, distances to the training pictures where the
    bundle keeps some, and how fast that was."""
    bundle.look(pixels[:1])  # opens the engine
    alone: list[float] = []
    while len(alone) < _ALONE and sum(alone) < _SECONDS:
        start = time.perf_counter()
        bundle.look(pixels[:1])
        alone.append(time.perf_counter() - start)
    start = time.perf_counter()
    logits, distances = (
        bundle.look(pixels) if processes.world_size == 1 else _shared_look(bundle, pixels, processes)
    )
    rate = len(pixels) / (time.perf_counter() - start)
    engine = bundle.engine
    return logits, distances, Speed(engine.name, engine.threads, statistics.median(alone), rate, len(pixels))


def _shared_look(bundle: Bundle, pixels: Pixels, processes: Processes) -> tuple[Logits, Distances | None]:
    """As `Bundle.look`, bit for bit: a share is whole batches of those that one process would make."""
    block = math.lcm(bundle.at_once, AT_ONCE)
    # What is left over goes with the block before it: fewer than `AT_ONCE` would be compared in another way.
    ends = [*range(block, len(pixels) - AT_ONCE + 1, block), len(pixels)]
    looks = {
        number: bundle.look(pixels[start:end])
        for number, (start, end) in enumerate(itertools.pairwise([0, *ends]))
        if processes.deals(number)
    }
    logits = processes.gathered({number: found for number, (found, _) in looks.items()})
    if bundle.neighbours is None:
        return np.concatenate(logits), None
    distances = {number: found for number, (_, found) in looks.items() if found is not None}
    return np.concatenate(logits), np.concatenate(processes.gathered(distances))


def targets_of(bundle: Bundle, data: ImageDataset) -> NDArray[Any]:
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
