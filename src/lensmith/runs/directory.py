"""One run on disk: where each file of it lies, how a new one is made, how an old one is found."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lensmith.errors import ModelFileError, UsageError
from lensmith.runs.files import read_json, write_bytes, write_json
from lensmith.runs.lock import LOCK, hold, is_of_lock
from lensmith.runs.recipe import Recipe, read_recipe

LAST = "last"
RUNS = Path("runs")


@dataclass(frozen=True)
class RunDirectory:
    """The paths of a run. Nothing is read until asked for."""

    path: Path

    @property
    def recipe_file(self) -> Path:
        """`recipe.toml`: the resolved recipe, written before the first step."""
        return self.path / "recipe.toml"

    @property
    def facts_file(self) -> Path:
        """`facts.json`: command, versions, data, choices with their reasons."""
        return self.path / "facts.json"

    @property
    def metrics_file(self) -> Path:
        """`metrics.jsonl`: a line for each epoch."""
        return self.path / "metrics.jsonl"

    @property
    def model(self) -> Path:
        """`model/`: the bundle."""
        return self.path / "model"

    @property
    def checkpoints(self) -> Path:
        """`checkpoints/`: the training as it was after some of its steps, until the run is finished."""
        return self.path / "checkpoints"

    @property
    def predictions_file(self) -> Path:
        """`predictions.npz`: what the model said of every measured picture."""
        return self.path / "predictions.npz"

    @property
    def splits_file(self) -> Path:
        """`splits.csv`: which picture was in which split; `splits=FILE` gives it again."""
        return self.path / "splits.csv"

    @property
    def report_file(self) -> Path:
        """`report.json`: the measured figures; its presence means that the run was measured."""
        return self.path / "report.json"

    @property
    def page_file(self) -> Path:
        """`report.html`: the same facts as a page."""
        return self.path / "report.html"

    @property
    def sweep_file(self) -> Path:
        """`sweep.json`: the sweep that its recipe comes from, where it does."""
        return self.path / "sweep.json"

    @property
    def tensorboard(self) -> Path:
        """`tensorboard/`: event files."""
        return self.path / "tensorboard"

    @property
    def crash_file(self) -> Path:
        """`crash.txt`: the traceback of a fault of ours."""
        return self.path / "crash.txt"

    @property
    def lock_file(self) -> Path:
        """`lock`: the process that works on the run, while one does."""
        return self.path / LOCK

    @property
    def progress_file(self) -> Path:
        """`progress.json`: how far it has come, and how it ended."""
        return self.path / "progress.json"

    @property
    def output_file(self) -> Path:
        """`output.log`: the words of a detached run."""
        return self.path / "output.log"

    @property
    def stop_file(self) -> Path:
        """`stop`: somebody elsewhere asks the run to end."""
        return self.path / "stop"

    @property
    def looks_file(self) -> Path:
        """`looks.jsonl`, beside the runs: each time that a held-out split was looked at."""
        return self.path.parent / "looks.jsonl"

    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return read_recipe(self.recipe_file)

    def facts(self) -> dict[str, Any]:
        """The facts as they were written."""
        facts: dict[str, Any] = read_json(self.facts_file)
        return facts

    def write_facts(self, facts: dict[str, Any]) -> None:
        """Write the facts whole."""
        write_json(self.facts_file, facts)

    def is_complete(self) -> bool:
        """Whether the run was measured and its bundle written."""
        return self.report_file.exists() and (self.model / "bundle.json").exists()


@contextlib.contextmanager
def new_run(name: str, out: Path | None = None) -> Iterator[RunDirectory]:
    """Make the directory of a new run: `out`, or the next free `./runs/NAME-001`; it becomes `last`.

    The run is this process's until the block ends (`runs.lock`).
    """
    with contextlib.ExitStack() as held:
        place = out or RUNS
        try:
            path = next_place(RUNS, name) if out is None else _make(out)
            held.enter_context(hold(path))
            if out is not None:
                _require_empty(out)  # only now does nobody else write there
        except OSError as error:
            raise UsageError(
                f"{place.absolute()}: no run can be written there ({error.strerror})",
                hint="Give another folder with --out.",
            ) from error
        # A pointer, not the newest time stamp: clocks jump and copies lose their times.
        # It is a convenience, so a folder that cannot take it does not stop the run.
        with contextlib.suppress(OSError):
            write_bytes(RUNS / LAST, os.fsencode(path.absolute()) + b"\n")
        yield RunDirectory(path)


def _make(out: Path) -> Path:
    if not (out / LOCK).exists():  # else it is somebody's run, and who they are says more
        _require_empty(out)
    out.mkdir(parents=True, exist_ok=True)
    return out


def _require_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or not all(map(is_of_lock, out.iterdir()))):
        raise UsageError(f"{out} already holds something", hint="Give an empty or new folder with --out.")


def next_place(runs: Path, name: str) -> Path:
    """Make the next free folder NAME-001, NAME-002, ... among some."""
    runs.mkdir(parents=True, exist_ok=True)
    name = name.replace("/", "-").replace("\\", "-")
    for number in itertools.count(1):
        path = runs / f"{name}-{number:03d}"
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    raise AssertionError("unreachable")


def find_run(word: str | Path) -> RunDirectory:
    """A run by its directory, or `last` for the newest under ./runs."""
    path = Path(word)
    if str(word) == LAST and not path.exists():
        return _last(RUNS)
    if not path.is_dir():
        raise ModelFileError(f"{word}: no such run", hint=_known_runs(RUNS))
    if not (path / "recipe.toml").exists():
        raise ModelFileError(f"{word}: not a run directory (no recipe.toml)", hint=_known_runs(RUNS))
    return RunDirectory(path)


def _last(runs: Path) -> RunDirectory:
    pointer = runs / LAST
    if not pointer.exists():
        raise ModelFileError(
            f"'last' stands for the newest run under {runs.absolute()}, and there is none",
            hint="Train one: lensmith train DATA",
        )
    path = Path(os.fsdecode(pointer.read_bytes().removesuffix(b"\n")))
    if not (path / "recipe.toml").exists():
        raise ModelFileError(f"{path}: the last run is no longer there", hint=_known_runs(runs))
    return RunDirectory(path)


def _known_runs(runs: Path) -> str:
    found = sorted(p.parent.name for p in runs.glob("*/recipe.toml"))
    return f"Runs under {runs}/: {', '.join(found[-5:])}" if found else "Train one: lensmith train DATA"
