"""A run of lensmith repeated from its own files: the same recipe on the same pictures, in the same environment."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lensmith
from lensmith.errors import DataError, LensmithError, ModelFileError
from lensmith.repositories.metrics import Metric, metric_called
from lensmith.reproduction.claims import Claimed
from lensmith.reproduction.copying import free_name
from lensmith.reproduction.figures import Figure
from lensmith.reproduction.sandbox import Limits, Place, Ran, run_command
from lensmith.reproduction.verdict import Verdict, compare, judge
from lensmith.runs.directory import LAST, RUNS, RunDirectory, find_run
from lensmith.runs.files import read_json, write_bytes
from lensmith.types import Event


@dataclass(frozen=True)
class Recorded:
    """What a run says of how it came about. source: its data, as it was named; folder: where that name holds; day:
    when it began."""

    run: RunDirectory
    source: str
    folder: Path
    python: str
    versions: Mapping[str, str]
    day: date | None = None


def run_named(word: str) -> RunDirectory | None:
    """The run that a word names: its folder, its `model/`, or `last`; None for anything else.

    Raises `ModelFileError` for a bundle alone, which holds no recipe.
    """
    path = Path(word)
    if word == LAST and not path.exists():
        return find_run(LAST)
    if path.is_dir():
        for folder in (path, path.absolute().parent):
            run = RunDirectory(folder)
            is_run = run.recipe_file.is_file() and run.facts_file.is_file()
            if is_run and (folder == path or path.name == run.model.name):
                return run
    if path.suffix == ".lens" or (path / "bundle.json").is_file():
        hint = "Give the folder of its run, which holds recipe.toml and facts.json."
        raise ModelFileError(f"{word}: a bundle has no recipe to repeat", hint=hint)
    return None


def read_recorded(run: RunDirectory) -> Recorded:
    """Raises `ModelFileError` where the run does not say what made it, `DataError` where its data are gone."""
    facts: Any = run.facts() if run.facts_file.is_file() else {}
    try:
        versions, source = dict(facts["versions"]), facts["data"]["source"]
        python = str(facts["machine"]["python"])
    except (KeyError, TypeError, ValueError):
        versions, source, python = {}, None, ""
    if not versions or not isinstance(source, str):
        raise ModelFileError(f"{run.facts_file}: does not say with what and on what data the run was made")
    return Recorded(run, source, _folder(run, source), python, versions, _day(facts.get("started")))


def differences_here(recorded: Recorded) -> list[str]:
    """In what this environment is not that of the run, such as `torch 2.14.0 -> 2.15.0`; nothing where it is."""
    found = [(name, was, _here(name)) for name, was in recorded.versions.items()]
    python = ".".join(map(str, sys.version_info[:3]))
    pairs = [*found, *([("python", recorded.python, python)] if recorded.python else [])]
    return [f"{name} {was} -> {now or 'missing'}" for name, was, now in pairs if was != now]


def repeat_run(
    recorded: Recorded, python: Path, source: Path, out: Path, limits: Limits
) -> Generator[Event, None, tuple[Ran, Verdict]]:
    """Train again by the run's recipe into `out/run`; what it prints goes to `out/output.log`.

    source: the folder in which `python` is to find lensmith.
    """
    again = RunDirectory(free_name(out.absolute() / "run"))
    words = [str(python), "-m", "lensmith", "train", recorded.source]
    words += ["--recipe", str(recorded.run.recipe_file.absolute()), "--out", str(again.path)]
    place = Place(recorded.folder, _variables(source), out / "output.log")
    with _last_kept():
        ran = yield from run_command(shlex.join(words), place, limits)
    if not ran.ended.went_well:
        return ran, judge(None, (), ran.ended)
    return ran, verdict_on(recorded.run, again)


@contextlib.contextmanager
def _last_kept() -> Iterator[None]:
    """`last` stays the run that it was: a repetition is not one's newest work."""
    pointer = RUNS / LAST
    before = pointer.read_bytes() if pointer.is_file() else None
    try:
        yield
    finally:
        if before is None:
            pointer.unlink(missing_ok=True)
        else:
            write_bytes(pointer, before)


def verdict_on(before: RunDirectory, again: RunDirectory) -> Verdict:
    """Equal weights are reproduced, whatever the figures; else the figures are held against each other."""
    repeats: dict[str, Any] = again.facts().get("repeats", {})
    claimed, figure = _claimed(before), _figure(again)
    words = str(repeats.get("verdict", "nothing to compare with"))
    if repeats.get("equal"):
        return Verdict("reproduced", words, claimed, figure, claimed.count if claimed else None)
    if claimed is None or figure is None:
        return Verdict("not compared", words, claimed, figure)
    verdict = compare(claimed, figure)
    return Verdict(
        verdict.word,
        f"{words}; {verdict.reason}",
        claimed,
        figure,
        verdict.count,
        verdict.count_from,
        verdict.low,
        verdict.high,
    )


def _claimed(run: RunDirectory) -> Claimed | None:
    name, facts = _main(run)
    if not facts:
        return None
    metric = _metric(name)
    place = str(run.report_file)
    count = facts["count"] if metric.scale == "pictures" else None
    return Claimed(
        metric.name, metric.scale, facts["value"], 0.0, count, "given", place, f"{name} {facts['value']:.4f}"
    )


def _figure(run: RunDirectory) -> Figure | None:
    name, facts = _main(run)
    if not facts:
        return None
    metric = _metric(name)
    return Figure(metric.name, facts["value"], 0.0, facts["count"], "test", 0, f"{name} {facts['value']:.4f}")


def _metric(name: str) -> Metric:
    words = name.replace("_", " ")
    return metric_called(words) or Metric(words, "number")


def _main(run: RunDirectory) -> tuple[str, dict[str, Any]]:
    """The figure of a report that comes first."""
    try:
        report = read_json(run.report_file)
    except LensmithError:
        return "", {}
    found = (
        (name, one) for name, one in report.items() if isinstance(one, dict) and one.get("value") is not None
    )
    return next(found, ("", {}))


def _folder(run: RunDirectory, source: str) -> Path:
    """Where the data's name holds: here, or where the run was made, beside its `runs/`."""
    path, home = Path(source), run.path.absolute().parent.parent
    if path.exists():
        return Path.cwd()
    if (home / path).exists():
        return home
    if path.is_absolute() or "/" in source or "\\" in source:
        hint = "Put them back there, or run the command in the folder in which the run was made."
        raise DataError(f"{source}: the pictures of the run are not there", hint=hint)
    return Path.cwd()  # a name, such as digits


def _day(started: Any) -> date | None:
    try:
        return date.fromisoformat(str(started)[:10])
    except ValueError:
        return None


def _here(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _variables(source: Path) -> dict[str, str]:
    """This process's own, but for the path: nothing else of this environment is to be found in another."""
    here = Path(lensmith.__file__).parents[1]
    more = [os.environ.get("PYTHONPATH", "")] if source == here else []
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(filter(None, [str(source.absolute()), *more]))}
