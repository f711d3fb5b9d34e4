"""`lensmith compare`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lensmith.cli import show
from lensmith.errors import ModelFileError, UsageError

if TYPE_CHECKING:
    from lensmith.evaluation.comparison import Comparison, Measured
    from lensmith.runs.differences import Difference

    Side = tuple[Measured, dict[str, Any]]

_COLUMNS = 100


def compare(
    runs: Annotated[
        list[str], typer.Argument(help="Two runs or more; the first beside each other.", metavar="RUN...")
    ],
    data: Annotated[
        str | None, typer.Option(help="Labelled pictures to measure all on now.", metavar="DATA")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of DATA: train, val or test [all of it].")] = None,
    pictures: Annotated[
        int, typer.Option(help="How many to list of those that one model alone gets right.", min=0)
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Which model is better, and is it luck?

    All are judged by the same pictures: those that the runs held out, as they were measured, or those of --data.

    Examples:

    \b
      lensmith compare runs/photos-001 runs/photos-002
      lensmith compare last old.lens --data new-photos/ --json
    """
    from lensmith.evaluation.comparison import compare as compared

    if split is not None and data is None:
        raise UsageError(f"--split {split} is of --data", hint="Add --data DATA.")
    sides = [_as_measured(word) for word in runs] if data is None else _measured_now(runs, data, split)
    comparisons = compared([one for one, _ in sides])
    facts, apart = [row for _, row in sides], _differences(runs)
    if as_json:
        show.data(
            {
                "runs": facts,
                "comparisons": [comparison.as_dict() for comparison in comparisons],
                "differences": [difference.as_dict() for difference in apart],
            }
        )
        return
    for row in _told(comparisons, facts, apart, pictures):
        show.line(row)


def _as_measured(word: str) -> Side:
    """What a run said of the pictures that it held out; beside it its figure, what it took, what its model takes."""
    from lensmith.evaluation.comparison import measured
    from lensmith.evaluation.report import report_from
    from lensmith.runs.directory import find_run
    from lensmith.runs.files import read_json

    run = find_run(word)
    one, report = measured(run), report_from(read_json(run.report_file))
    try:
        facts = run.facts()
    except ModelFileError:
        facts = {}
    weights = run.model / "weights.safetensors"
    return one, {
        "run": str(run.path),
        report.main: report[report.main].as_dict(),
        "seconds": facts.get("seconds", {}).get("total"),
        "latency": facts.get("speed", {}).get("latency"),
        "bytes": weights.stat().st_size if weights.is_file() else None,
    }


def _measured_now(words: list[str], source: str, split: str | None) -> list[Side]:
    """What models say of labelled pictures now."""
    from lensmith.bundle.bundle import load_model
    from lensmith.bundle.facts import WEIGHTS
    from lensmith.bundle.measure import measure_bundle
    from lensmith.cli.progress import follow
    from lensmith.data.sources import load_data
    from lensmith.evaluation.comparison import Measured

    found = load_data(source)
    part = found.split(split) if split else found
    sides = []
    for word in words:
        bundle = load_model(word)
        measured = follow(measure_bundle(bundle, part, split or "all"))
        report = measured.report
        row = {
            "run": word,
            report.main: report[report.main].as_dict(),
            "seconds": None,
            "latency": measured.speed.latency,
            "bytes": len(bundle.files[WEIGHTS]),
        }
        sides.append((Measured(word, bundle.task, bundle.classes, measured.predictions), row))
    return sides


def _differences(words: list[str]) -> list[Difference]:
    """Of runs; of a file nobody knows how it came about."""
    from lensmith.runs.differences import differences
    from lensmith.runs.directory import find_run

    try:
        return differences([find_run(word) for word in words])
    except ModelFileError:
        return []


def _told(
    comparisons: list[Comparison], facts: list[dict[str, Any]], apart: list[Difference], pictures: int
) -> Iterator[str]:
    """Everything for a person, a line each."""
    for comparison in comparisons:
        yield from textwrap.wrap(comparison.verdict(), _COLUMNS, break_on_hyphens=False)
        yield from (f"  {words}" for words in _beside(comparison))
        yield from (f"  {words}" for words in _alone(comparison, pictures))
        yield ""
    yield from _table(facts, comparisons[0].figure)
    if apart:
        yield from ("", "not the same in all of them, in this order:")
        yield from (f"  {difference}" for difference in apart)


def _beside(comparison: Comparison) -> list[str]:
    """What the sentence leaves out."""
    words = [comparison.seeds] if comparison.seeds else []
    alone = [len(part) for part in comparison.alone]
    if any(alone):
        words.append(f"right alone: {comparison.first} {alone[0]:,}, {comparison.second} {alone[1]:,}")
    if any(comparison.left_out):
        names = comparison.first, comparison.second
        counts = (f"{count:,} of {name}" for name, count in zip(names, comparison.left_out, strict=True))
        words.append(f"left out, since only one was measured on them: {', '.join(counts)}")
    if comparison.relabelled:
        words.append(f"left out, since they show something else in each: {comparison.relabelled:,}")
    return words


def _alone(comparison: Comparison, most: int) -> Iterator[str]:
    """Pictures that one alone gets right, with what the other took them for."""
    names = comparison.first, comparison.second
    for part, right, wrong in zip(comparison.alone, names, names[::-1], strict=True):
        for file, shows, said in part[:most]:
            yield f"{file}  {shows}: {right} is right, {wrong} says {said}"


def _table(runs: list[dict[str, Any]], figure: str) -> list[str]:
    """A row for each run."""
    rows = [("run", figure.replace("_", " "), "trained in", "a picture in", "weights")]
    for run in runs:
        value, low, high = (run[figure][name] for name in ("value", "low", "high"))
        form = "{:.1%}" if figure == "accuracy" else "{:.3f}"
        between = "" if low is None else f" ({form.format(low)} to {form.format(high)})"
        rows.append(
            (
                run["run"],
                form.format(value) + between,
                "-" if run["seconds"] is None else f"{run['seconds']:.1f} s",
                "-" if run["latency"] is None else f"{1000 * run['latency']:.2g} ms",
                "-" if run["bytes"] is None else f"{run['bytes'] / 1e6:.1f} MB",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join(
            cell.ljust(width) if not at else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
