"""`lensmith status`."""

from __future__ import annotations

from typing import Annotated

import typer

from lensmith.cli import show


def status(
    run: Annotated[str, typer.Argument(help="A run, or last.", metavar="[RUN]")] = "last",
    watch: Annotated[
        bool, typer.Option("--follow", "-f", help="Watch it until it ends; exit with its code.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Where a run stands: running, finished, interrupted, crashed or killed.

    Exits 0 for a run that runs or has finished, 1 for one that ended otherwise.

    Examples:

    \b
      lensmith status
      lensmith status runs/photos-001 --follow
    """
    from lensmith.cli.standing import show_standing, watch_standing
    from lensmith.runs.standing import find_standing

    found = find_standing(run)
    if watch:
        found = watch_standing(found)
    if as_json:
        show.data(found.as_dict())
    else:
        show_standing(found)
    code = found.exit_code if watch else int(found.state not in ("running", "finished"))
    if code:
        raise typer.Exit(code)
