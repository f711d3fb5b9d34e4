"""`lensmith evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.cli.progress import follow
from lensmith.runs.recipe import data_words

_SHOWN = 5


def evaluate(
    run: Annotated[str, typer.Argument(help="A run, a bundle, or last.", metavar="RUN")],
    data: Annotated[
        str | None, typer.Argument(help="Labelled pictures [what the run held out].", metavar="[DATA]")
    ] = None,
    words: Annotated[
        list[str] | None, typer.Argument(help="root=FOLDER, task=NAME.", metavar="KEY=VALUE")
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
        from lensmith.bundle.bundle import load_model
        from lensmith.errors import ModelFileError

        report = load_model(run).facts.report
        if not report:
            raise ModelFileError(
                f"{run}: this model was never measured",
                hint=f"lensmith evaluate {run} DATA measures it on labelled pictures.",
            )
        if as_json:
            show.data(report)
        else:
            from lensmith.evaluation.report import report_from

            show.line(str(report_from(report)))
        return
    from lensmith.bundle.bundle import load_model
    from lensmith.bundle.measure import measure_bundle
    from lensmith.data.sources import load_data

    pictures = load_data(data, **data_words(words))
    part = pictures.split(split) if split else pictures
    measured = follow(measure_bundle(load_model(run), part, split or "all"))
    skipped = (*pictures.skipped, *measured.skipped)
    if as_json:
        left_out = [vars(one) for one in skipped]
        show.data({**measured.report.as_dict(), "speed": measured.speed.as_dict(), "skipped": left_out})
    else:
        show.line(str(measured.report))
        show.say(str(measured.speed))
    for one in skipped[:_SHOWN]:
        show.say(f"skipped  {one.file}: {one.reason}")
    if len(skipped) > _SHOWN:
        show.say(f"         and {len(skipped) - _SHOWN:,} more")
