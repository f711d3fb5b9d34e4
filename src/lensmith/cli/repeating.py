"""`lensmith reproduce RUN`: a run of lensmith, repeated from its own files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lensmith.cli import show
from lensmith.cli.progress import follow
from lensmith.cli.repositories import verdict_lines
from lensmith.cli.reproducing import RUN, Wish
from lensmith.errors import MachineError

if TYPE_CHECKING:
    from lensmith.reproduction.of_run import Recorded
    from lensmith.runs.directory import RunDirectory


def reproduce_run(wish: Wish, run: RunDirectory) -> int:
    """Tell what a run was made with, and in what this environment differs; with `--to run`, repeat it."""
    from lensmith.reproduction.of_run import differences_here, read_recorded

    recorded = read_recorded(run)
    differs = differences_here(recorded)
    told: dict[str, Any] = {
        "run": str(run.path),
        "data": recorded.source,
        "python": recorded.python,
        "versions": dict(recorded.versions),
        "differences": differs,
    }
    if not wish.as_json:
        _print(recorded, differs)
    code = 0
    if wish.to == RUN:
        code = _repeat(wish, recorded, differs, told)
    elif not wish.as_json:
        show.line(f"next       {wish.again('run')}")
    if wish.as_json:
        show.data(told)
    return code


def _repeat(wish: Wish, recorded: Recorded, differs: list[str], told: dict[str, Any]) -> int:
    from lensmith.reproduction.of_run import repeat_run
    from lensmith.reproduction.record import Circumstances, write_verdict
    from lensmith.reproduction.running import new_place

    out = new_place(recorded.run.path.name, wish.out, recorded.run.path)
    python = _python(recorded, differs, out)
    ran, verdict = follow(repeat_run(recorded, python, out, wish.limits))
    around = Circumstances(
        subject=f"the run {recorded.run.path}",
        command=ran.command,
        again=wish.again("run", **{"--out": ""}),
        environment=(f"Python {recorded.python}", *(f"{name} {v}" for name, v in recorded.versions.items())),
        differs=(),
        conditions=ran.conditions,
        seconds=ran.ended.seconds,
        tail=ran.ended.tail,
    )
    told["verdict"] = write_verdict(out, verdict, around)
    if not wish.as_json:
        for row in verdict_lines(verdict, around, out):
            show.line(row)
    return 0 if verdict.holds else 1


def _python(recorded: Recorded, differs: list[str], out: Path) -> Path:
    if not differs:
        show.entry("python", "this environment equals that of the run, and is used")
        return Path(sys.executable)
    raise MachineError(f"this environment is not that of the run: {', '.join(differs)}")


def _print(recorded: Recorded, differs: list[str]) -> None:
    show.line(f"run        {recorded.run.path}, trained on {recorded.source}")
    versions = ", ".join(f"{name} {version}" for name, version in recorded.versions.items())
    show.line(f"made with  Python {recorded.python}, {versions}")
    show.line(
        f"here       {', '.join(differs) if differs else 'the same, down to each package that it names'}"
    )
