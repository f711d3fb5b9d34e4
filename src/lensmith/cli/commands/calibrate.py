"""`lensmith calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.cli.progress import follow
from lensmith.errors import DataError, UsageError
from lensmith.runs.recipe_words import data_words


def calibrate(
    run: Annotated[str, typer.Argument(help="A run, a bundle, or last.", metavar="RUN")],
    data: Annotated[
        str, typer.Argument(help="Labelled pictures that it did not learn from.", metavar="DATA")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="FILE.lens or a folder.", metavar="FILE")],
    words: Annotated[
        list[str] | None, typer.Argument(help="root=FOLDER, task=NAME.", metavar="KEY=VALUE")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of DATA: train, val or test [all of it].")] = None,
    max_error: Annotated[
        float | None, typer.Option(help="Share of the answers given that may be wrong, such as 0.02.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Set how sure a model is, by pictures that it did not learn from. RUN stays as it is.

    Examples:

    \b
      lensmith calibrate things.lens photos/ --split val -o sure.lens
      lensmith calibrate last new-photos/ --max-error 0.02 -o sure.lens
    """
    if max_error is not None and not 0.0001 <= max_error <= 0.5:
        raise UsageError(f"--max-error {max_error} is outside 0.0001 to 0.5")
    from lensmith.bundle.bundle import load_model
    from lensmith.bundle.measure import measure_bundle
    from lensmith.data.sources import load_data
    from lensmith.evaluation.calibration import FEWEST, Unseen
    from lensmith.evaluation.calibration import calibrate as choose

    bundle = load_model(run)
    if bundle.task == "regression":
        raise UsageError(f"{run} gives a number, and a number has no probability")
    pictures = load_data(data, **data_words(words))
    part = pictures.split(split) if split else pictures
    measured = follow(measure_bundle(bundle, part, split or "all"))
    said = measured.predictions
    if len(said.targets) < FEWEST:
        raise DataError(
            f"{data}: {len(said.targets)} pictures are too few to set how sure a model is",
            hint=f"{FEWEST} or more are needed.",
        )
    chosen = choose(Unseen(said.logits, said.targets, f"pictures of {part.name}"), bundle.task, max_error)
    bundle.with_facts(**chosen.limits, report={}).save(out)
    if as_json:
        show.data({**chosen.as_dict(), "out": str(out)})
    else:
        show.line(chosen.why)
    show.say(f"{out}: measure it on other pictures: lensmith evaluate {out} DATA")
