"""Where a run stands, told from its files alone: whether somebody works on it, how far it is, how it ended."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lensmith.errors import LensmithError
from lensmith.runs.directory import RunDirectory, find_run
from lensmith.runs.holder import Holder
from lensmith.runs.lock import read_lock
from lensmith.runs.progress import read_progress

State = Literal["running", "finished", "interrupted", "crashed", "killed"]
KILLED = 137
"""The exit code that shells give to what SIGKILL ended."""
_ENDS: dict[str, State] = {
    "finished": "finished",
    "interrupted": "interrupted",
    "terminated": "interrupted",
    "hung up": "interrupted",
    "failed": "crashed",
}
_OF_PROGRESS = (
    *("stage", "epoch", "epochs", "step", "steps"),
    *("seconds", "left", "started", "updated", "error"),
)
_LINES = 5
_TAIL = 64 * 1024
"""Bytes at the end of a file that are read for its last lines."""


@dataclass(frozen=True)
class Standing:
    """Where a run stands.

    progress: what `RUN/progress.json` says; figures: of the newest epoch; checkpoint: the newest one;
    holder: the process that works on the run, or the one that was killed at it; alive: whether it is there, None
    where that cannot be told from here; lines: the last ones of its log; folder: the one that it was started in, None
    where its pictures were given in Python, or nothing is known.
    """

    run: RunDirectory
    state: State
    progress: dict[str, Any]
    figures: dict[str, Any]
    checkpoint: dict[str, Any] | None
    holder: Holder | None
    alive: bool | None
    lines: list[str]
    folder: str | None

    @property
    def exit_code(self) -> int | None:
        """The one that the run ended with; None while it runs."""
        if self.state == "running":
            return None
        if self.state == "killed":
            return KILLED
        code = self.progress.get("code")
        if isinstance(code, int):
            return code
        return 0 if self.state == "finished" else LensmithError.exit_code

    @property
    def resumes_from(self) -> int | None:
        """The step after which `lensmith resume` would go on, 0 for the beginning; None where it cannot."""
        if self.state in ("running", "finished") or self.folder is None:
            return None
        return 0 if self.checkpoint is None else int(self.checkpoint["step"])

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        holder = None if self.holder is None else dataclasses.asdict(self.holder) | {"alive": self.alive}
        return {
            "run": str(self.run.path),
            "state": self.state,
            "code": self.exit_code,
            **{name: self.progress.get(name) for name in _OF_PROGRESS},
            "figures": self.figures,
            "checkpoint": self.checkpoint,
            "resumes_from": self.resumes_from,
            "holder": holder,
            "log": str(self.run.output_file) if self.run.output_file.exists() else None,
            "lines": self.lines,
        }


def find_standing(word: str | Path) -> Standing:
    """Where a run stands: by its directory, or `last`. Raises `ModelFileError`."""
    begun = RunDirectory(Path(word))
    if begun.lock_file.exists() or begun.progress_file.exists():
        return read_standing(begun)  # it may be so new that its recipe is not written yet
    return read_standing(find_run(word))


def read_standing(run: RunDirectory) -> Standing:
    """Where this run stands."""
    lock = read_lock(run.lock_file)
    holder = None if lock is None else lock.holder
    alive = None if holder is None else holder.is_alive()
    progress = read_progress(run)  # last: who is gone by now has said how it ended, if it could
    return Standing(
        run=run,
        state=_state(run, progress, lock is not None, alive),
        progress=progress,
        figures=_figures(run),
        checkpoint=newest_checkpoint(run),
        holder=holder,
        alive=alive,
        lines=last_lines(run.output_file)[-_LINES:],
        folder=_folder(run),
    )


def _state(run: RunDirectory, progress: dict[str, Any], locked: bool, alive: bool | None) -> State:
    if locked and alive is not False:
        return "running"
    ended = str(progress.get("ended"))
    if ended in _ENDS:
        return _ENDS[ended]
    if progress or locked:
        return "killed"
    if run.is_complete():
        return "finished"  # by a version that wrote no progress
    return "crashed" if run.crash_file.exists() else "killed"


def newest_checkpoint(run: RunDirectory) -> dict[str, Any] | None:
    """Step, epoch and path of the newest checkpoint whose state can be read; None where there is none."""
    found: list[Path] = []
    with contextlib.suppress(OSError):
        found = [one for one in run.checkpoints.iterdir() if one.name.isdecimal()]
    for folder in sorted(found, key=lambda one: int(one.name), reverse=True):
        with contextlib.suppress(OSError):
            state = _object((folder / "state.json").read_bytes())
            if state is not None:
                return {"step": int(folder.name), "epoch": state.get("epoch"), "path": str(folder)}
    return None


def last_lines(file: Path) -> list[str]:
    """The last lines of a text, none of them half; [] where there is none to read."""
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - _TAIL))
            text = opened.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    lines = text.splitlines()
    return lines[1:] if size > _TAIL else lines


def _figures(run: RunDirectory) -> dict[str, Any]:
    """The newest line of the metrics that is one of an epoch."""
    for line in reversed(last_lines(run.metrics_file)):
        found = _object(line)
        if found is not None and "train_loss" in found:
            return found
    return {}


def _folder(run: RunDirectory) -> str | None:
    with contextlib.suppress(OSError):
        folder = (_object(run.facts_file.read_bytes()) or {}).get("folder")
        return folder if isinstance(folder, str) else None
    return None


def _object(text: str | bytes) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError, RecursionError):
        told = json.loads(text)
        return told if isinstance(told, dict) else None
    return None
