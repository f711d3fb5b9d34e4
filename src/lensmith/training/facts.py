"""The facts of a training: what it was made with, from what, and where its model comes from."""

from __future__ import annotations

import contextlib
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lensmith.data.dataset import ImageDataset
from lensmith.runs.directory import RunDirectory
from lensmith.training.prepare import Prepared


def facts_of(source: Any, prepared: Prepared) -> dict[str, Any]:
    """What is known before the first step: command, versions, machine, data, choices."""
    data, roles, choice = prepared.data, prepared.roles, prepared.choice
    skipped = (*data.skipped, *prepared.column.skipped, *(choice.skipped if choice else ()))
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "versions": _versions(),
        "machine": {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "allocator": prepared.allocator,
        },
        "data": {
            "source": str(source) if isinstance(source, str | Path) else type(source).__name__,
            "name": data.name,
            "task": data.task,
            "classes": data.classes,
            "split": roles.made,
            "train": counts(prepared.column.matching(roles.train)),
            **(
                {"val": counts(choice.matching(roles.choice) if choice else roles.choice)}
                if roles.choice
                else {}
            ),
            roles.held_out_name: counts(roles.held_out),
            "skipped": [vars(s) for s in skipped],
            "notes": list(data.notes),
        },
        "choices": prepared.plan.reasons,
    }


def provenance_of(prepared: Prepared, run: RunDirectory) -> dict[str, Any]:
    """Where the model comes from: its first weights with their licence, its pictures by number, what made it."""
    roles, weights = prepared.roles, prepared.weights
    kept = ("source", "version", "url", "licence")
    return {
        "made_by": "train",
        "run": run.path.name,
        "network": prepared.plan.recipe.model,
        "weights": {name: weights[name] for name in kept} if weights else {"source": "trained from scratch"},
        "data": {
            "name": roles.train.name,
            "train": counts(prepared.column.matching(roles.train)),
        },
        "packages": _versions(),
    }


def counts(part: ImageDataset) -> dict[str, Any]:
    """How many pictures a part has, of each class."""
    return {"count": len(part), "classes": part.counts()}


def _versions() -> dict[str, str]:
    found = {}
    for name in ("lensmith", "torch", "torchvision", "numpy", "pillow", "onnx", "onnxruntime"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
