"""`lensmith stop`."""

from __future__ import annotations

from typing import Annotated

import typer

from lensmith.cli import show

_PATIENCE = 300.0


def stop(run: Annotated[str, typer.Argument(help="A run, or last.", metavar="RUN")]) -> None:
    """End a run that is going: it finishes its step, saves, and exits with 143.

    Examples:

    \b
      lensmith stop last
    """
    from lensmith.cli.standing import show_standing
    from lensmith.errors import AnswerIsNo
    from lensmith.runs.standing import find_standing
    from lensmith.runs.stopping import ask_to_stop, wait_for_end

    found = find_standing(run)
    if found.state == "running":
        ask_to_stop(found)
        show.entry("stop", f"asked {found.holder} to end")
        found = wait_for_end(found, _PATIENCE)
    if found.state == "running":
        raise AnswerIsNo(
            f"{found.run.path}: still at it, {_PATIENCE:.0f} s after it was asked to end",
            hint=f"lensmith status {found.run.path} --follow tells when it has.",
        )
    show_standing(found)
