"""`lensmith resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from lensmith.cli import BEGAN, several, show
from lensmith.cli.detached import start_detached
from lensmith.cli.progress import follow


def resume(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A run, or last.", metavar="RUN", show_default=False)],
    data: Annotated[
        str | None,
        typer.Argument(
            help="Its pictures, where they lie elsewhere now.", metavar="[DATA]", show_default=False
        ),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Go on without this terminal; see lensmith status.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Go on with a run that was interrupted, to the same weights as if it had not been.

    It goes on from the newest checkpoint that verifies, or from the beginning where there is none yet.

    Examples:

    \b
      lensmith resume last
      lensmith resume runs/photos-003
    """
    from lensmith.cli.torch import require_torch, spare_the_compiler
    from lensmith.cli.trained import show_end, summary
    from lensmith.runs.directory import RunDirectory, find_run

    found = RunDirectory(find_run(run).path.absolute())
    require_torch("resume")
    if detach:
        start_detached(context.obj, as_json)
        return
    several.start(found.recipe().processes)
    spare_the_compiler()
    from lensmith.training.resume import at_home, resume_job

    with at_home(found):
        finished = follow(resume_job(found, data, began=BEGAN))
    several.end_unless_first()
    facts = finished.directory.facts()
    if as_json:
        show.data(summary(finished, facts))
    show_end(finished, facts)
