"""`lensmith reproduce RUN`: a run of lensmith, repeated from its own files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lensmith
from lensmith.cli import show
from lensmith.cli.progress import follow, in_events
from lensmith.cli.repositories import verdict_lines
from lensmith.cli.wish import BUILD, Wish
from lensmith.errors import UsageError

if TYPE_CHECKING:
    from lensmith.reproduction.of_run import Recorded
    from lensmith.runs.directory import RunDirectory


_ENVIRONMENT = "env"


def reproduce_run(wish: Wish, run: RunDirectory) -> int:
    """Tell what a run was made with, and in what this environment differs; with `--to run`, repeat it."""
    from lensmith.reproduction.of_run import differences_here, read_recorded

    given = {"--command": wish.command, "--claim": wish.claim, "--python": wish.python, "--date": wish.date}
    for option, value in given.items():
        if value:
            raise UsageError(f"{option} {value}: {wish.repository} is a run, which says that itself")
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
    if wish.to >= BUILD:
        code = _go_on(wish, recorded, differs, told)
    else:
        _print_next(wish)
    if wish.as_json:
        show.data(told)
    return code


def _go_on(wish: Wish, recorded: Recorded, differs: list[str], told: dict[str, Any]) -> int:
    """Repeat it: in this environment where it equals that of the run, else, or where asked for, in a new one."""
    from lensmith.reproduction.running import new_place

    out = new_place(recorded.run.path.name, wish.out, recorded.run.path)
    told["out"] = str(out)
    if wish.to == BUILD or differs or (out / _ENVIRONMENT).is_dir():
        place = _rebuilt(recorded, out)
        differs = [words for words in differs if words.startswith("lensmith ")]
    else:
        show.entry("python", "this environment equals that of the run, and is used")
        place = Path(sys.executable), Path(lensmith.__file__).parents[1]
    if wish.to == BUILD:
        told["python"] = str(place[0])
        _print_next(wish, **{"--out": str(out)})
        return 0
    return _repeat(wish, recorded, place, out, differs, told)


def _repeat(
    wish: Wish,
    recorded: Recorded,
    place: tuple[Path, Path],
    out: Path,
    differs: list[str],
    told: dict[str, Any],
) -> int:
    """Train again with a Python and the lensmith that it is to find, and judge what came of it."""
    from lensmith.reproduction.of_run import repeat_run
    from lensmith.reproduction.record import Circumstances, write_verdict

    ran, verdict = follow(repeat_run(recorded, *place, out, wish.limits))
    around = Circumstances(
        subject=f"the run {recorded.run.path}",
        command=ran.command,
        again=wish.again("run", **{"--out": ""}),
        environment=(
            f"Python {recorded.python}",
            *(f"{name} {one}" for name, one in recorded.versions.items()),
        ),
        differs=tuple(differs),
        conditions=ran.conditions,
        seconds=ran.ended.seconds,
        tail=ran.ended.tail,
    )
    told["verdict"] = write_verdict(out, verdict, around)
    if not wish.as_json:
        for row in verdict_lines(verdict, around, out):
            show.line(row)
    return 0 if verdict.holds else 1


def _rebuilt(recorded: Recorded, out: Path) -> tuple[Path, Path]:
    from lensmith.reproduction.rebuilding import OWN, rebuild_environment

    built = follow(in_events("build", rebuild_environment(recorded, out)))
    return built.python, out / OWN


def _print_next(wish: Wish, **changes: str) -> None:
    if not wish.as_json:
        show.line(f"next       {wish.again('run', **changes)}")


def _print(recorded: Recorded, differs: list[str]) -> None:
    show.line(f"run        {recorded.run.path}, trained on {recorded.source}")
    versions = ", ".join(f"{name} {version}" for name, version in recorded.versions.items())
    show.line(f"made with  Python {recorded.python}, {versions}")
    show.line(
        f"here       {', '.join(differs) if differs else 'the same, down to each package that it names'}"
    )
