"""`lensmith evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.cli.progress import follow


def evaluate(
    run: Annotated[str, typer.Argument(help="A run, a bundle, or last.", metavar="RUN")],
    data: Annotated[
        str | None, typer.Argument(help="Labelled pictures [what the run held out].", metavar="[DATA]")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of DATA: train, val or test [all of it].")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure a model on labelled pictures.

    Examples:

    \b
      lensmith evaluate last
      lensmith evaluate last new-photos/ --json
    """
    if data is None:
        from lensmith.runs.directory import find_run
        from lensmith.runs.files import read_json

        report = read_json(find_run(run).report_file)
        if as_json:
            show.data(report)
        else:
            from lensmith.evaluation.report import report_from

            show.line(str(report_from(report)))
        return
    from lensmith.bundle.bundle import load_model
    from lensmith.bundle.measure import measure_bundle
    from lensmith.data.sources import load_data

    pictures = load_data(data)
    part = pictures.split(split) if split else pictures
    measured = follow(measure_bundle(load_model(run), part, split or "all"))
    if as_json:
        show.data(measured.report.as_dict())
    else:
        show.line(str(measured.report))
    for one in (*pictures.skipped, *measured.skipped)[:5]:
        show.say(f"skipped  {one.file}: {one.reason}")
