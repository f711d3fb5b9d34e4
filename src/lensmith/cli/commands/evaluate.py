"""`lensmith evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lensmith.cli import several, show
from lensmith.cli.measured import require_free, write_measured
from lensmith.cli.progress import follow
from lensmith.errors import ModelFileError, UsageError
from lensmith.runs.recipe_words import data_words

_SHOWN = 5


def evaluate(
    run: Annotated[str, typer.Argument(help="A run, a bundle, or last.", metavar="RUN")],
    data: Annotated[
        str | None, typer.Argument(help="Labelled pictures [what the run held out].", metavar="[DATA]")
    ] = None,
    words: Annotated[
        list[str] | None, typer.Argument(help="root=FOLDER, task=NAME, group_by=WORD.", metavar="KEY=VALUE")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of DATA: train, val or test [all of it].")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A new folder for the page and the predictions.", metavar="DIR"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure a model on labelled pictures.

    Examples:

    \b
      lensmith evaluate last
      lensmith evaluate last new-photos/ --json
      lensmith evaluate dogs.lens photos/ -o measured/
    """
    if data is None:
        _show_report(run, as_json, out)
        return
    from lensmith.bundle.bundle import load_model
    from lensmith.bundle.measure import measure_bundle
    from lensmith.data.sources import load_data

    if out is not None and several.is_first():
        require_free(out, data)
    pictures = load_data(data, **data_words(words))
    part = pictures.split(split) if split else pictures
    bundle = load_model(run)
    processes = several.join()
    measured = follow(measure_bundle(bundle, part, split or "all", processes=processes))
    if not processes.is_first:
        return
    if out is not None:
        write_measured(out, bundle, part, data, measured)
        show.say(f"{out}: look at report.html")
    skipped = (*pictures.skipped, *measured.skipped)
    if as_json:
        left_out = [vars(one) for one in skipped]
        show.data({**measured.report.as_dict(), "speed": measured.speed.as_dict(), "skipped": left_out})
    else:
        show.line(str(measured.report))
        if marks := measured.report.studies.get("unlike"):
            show.line(marks["verdict"])
        show.say(str(measured.speed))
    for one in skipped[:_SHOWN]:
        show.say(f"skipped  {one.file}: {one.reason}")
    if len(skipped) > _SHOWN:
        show.say(f"         and {len(skipped) - _SHOWN:,} more")


def _show_report(run: str, as_json: bool, out: Path | None) -> None:
    """What was measured when the model was made."""
    if out is not None:
        raise UsageError(
            f"--out {out} is for pictures that are measured now", hint="evaluate RUN DATA --out DIR"
        )
    if not several.is_first():
        return
    from lensmith.bundle.bundle import load_model
    from lensmith.evaluation.report import report_from

    report = load_model(run).facts.report
    if not report:
        raise ModelFileError(
            f"{run}: this model was never measured",
            hint=f"lensmith evaluate {run} DATA measures it on labelled pictures.",
        )
    if as_json:
        show.data(report)
        return
    show.line(str(report_from(report, run)))
