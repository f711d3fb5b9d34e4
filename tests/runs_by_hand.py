"""Runs made by hand from dicts: nothing is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lensmith.evaluation.baseline import Baseline
from lensmith.evaluation.intervals import Value, proportion
from lensmith.evaluation.report import ClassFigures, Report
from lensmith.runs.directory import RunDirectory

AREA, HALF = Value(0.875, 0.75, 0.9375, 40), proportion(1, 2)


def report_of(names: list[str], confusion: list[list[int]]) -> dict[str, Any]:
    """A `report.json` with the figures that follow from a confusion matrix."""
    said = [sum(column) for column in zip(*confusion, strict=True)]
    per_class = [
        ClassFigures(
            name, sum(row), proportion(row[i], sum(row)), proportion(row[i], said[i]), HALF, AREA, AREA
        )
        for i, (name, row) in enumerate(zip(names, confusion, strict=True))
    ]
    right, count = sum(row[i] for i, row in enumerate(confusion)), sum(map(sum, confusion))
    values = {
        "accuracy": proportion(right, count),
        "log_loss": Value(0.7312, None, None, count, "too few pictures for an interval of a mean"),
    }
    baseline = Baseline(names[0], Value(0.4321, 0.3, 0.5, count), Value(0.2, 0.1, 0.3, count), 0.01)
    report = Report("classification", count, values, names, per_class, confusion, baseline, "val", True, 3)
    return report.as_dict()


def facts_of(names: list[str]) -> dict[str, Any]:
    """A `facts.json`, its counts growing by one from class to class."""
    train = {name: 100 + i for i, name in enumerate(names)}
    val = {name: 10 + i for i, name in enumerate(names)}
    return {
        "started": "2026-01-02T03:04:05+00:00",
        "command": ["lensmith", "train", "my photos"],
        "versions": {"lensmith": "0.1.0", "torch": "2.9.1"},
        "machine": {"platform": "Linux-6.1-x86_64", "python": "3.11.7"},
        "data": {
            "source": "my photos",
            "name": "photos",
            "task": "classification",
            "classes": names,
            "split": "of the data: train, val",
            "train": {"count": sum(train.values()), "classes": train},
            "val": {"count": sum(val.values()), "classes": val},
            "skipped": [{"file": "my photos/a.gif", "reason": "GIF is not trained on"}],
            "notes": ["a note about the data"],
        },
        "choices": {"lr": "sgd at a batch of 8"},
        "speed": {"engine": "onnxruntime", "threads": 2, "latency": 0.00312, "rate": 310.4, "count": 40},
        "seconds": {"import": 2.5, "train": 10.0, "total": 12.5},
    }


def make_run(
    path: Path,
    names: list[str],
    confusion: list[list[int]] | None = None,
    *,
    facts: dict[str, Any] | None = None,
) -> RunDirectory:
    """Write a run's files but for the page."""
    n = len(names)
    counts = confusion or [[9 if i == j else int(j == (i + 1) % n) for j in range(n)] for i in range(n)]
    run = RunDirectory(path)
    path.mkdir(parents=True)
    run.report_file.write_text(json.dumps(report_of(names, counts)), encoding="utf-8")
    run.facts_file.write_text(json.dumps(facts or facts_of(names)), encoding="utf-8")
    run.recipe_file.write_text('model = "convnet"\nepochs = 3.0\nlr = 0.05\nmomentum = 0.9\nseed = 7\n')
    lines = [json.dumps({"index": i, "train_loss": 2.0 / i}) for i in (1, 2, 3)]
    run.metrics_file.write_text("\n".join(lines) + "\n")
    return run
