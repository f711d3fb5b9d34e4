"""What `evaluate` leaves on disk: a folder with the files of a run that say how good a model is, and the page."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lensmith.errors import UsageError

if TYPE_CHECKING:
    from lensmith.bundle.bundle import Bundle
    from lensmith.bundle.measure import Measurement
    from lensmith.data.dataset import ImageDataset


def require_free(out: Path, data: str) -> None:
    """Raise `UsageError` where nothing may be written: over something else, or among the pictures."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} already holds something", hint="Give an empty or new folder with --out.")
    if Path(data).is_dir() and out.resolve().is_relative_to(Path(data).resolve()):
        raise UsageError(f"{out} lies under the data, {data}, where nothing is written")


def write_measured(out: Path, bundle: Bundle, data: ImageDataset, source: str, measured: Measurement) -> None:
    """`report.json`, `report.html`, `predictions.npz` and `facts.json`, as a run has them."""
    from lensmith.report.page import write_page
    from lensmith.runs.directory import RunDirectory
    from lensmith.runs.files import write_json

    run = RunDirectory(out)
    out.mkdir(parents=True, exist_ok=True)
    measured.predictions.write(run.predictions_file)
    run.write_facts(_facts(bundle, data, source, measured))
    write_json(run.report_file, measured.report.as_dict())
    write_page(run)


def _facts(bundle: Bundle, data: ImageDataset, source: str, measured: Measurement) -> dict[str, Any]:
    model = bundle.describe()
    split = measured.report.split
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "model": {name: model[name] for name in ("sha256", "model", "preprocess", "provenance")},
        "data": {
            "source": source,
            "name": data.name,
            "task": data.task,
            "classes": data.classes,
            "split": "all of it was measured" if split == "all" else f"{split} was measured",
            split: {"count": len(measured.data), "classes": measured.data.counts()},
            "skipped": [vars(one) for one in (*data.skipped, *measured.skipped)],
            "notes": list(data.notes),
        },
        "speed": measured.speed.as_dict(),
    }
