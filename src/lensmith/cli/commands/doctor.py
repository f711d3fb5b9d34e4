"""`lensmith doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    error: Annotated[
        str | None, typer.Argument(help="An error's text, a log file, or - for stdin: what it means here.")
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Run the commands that mend it, after a yes.")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Compute something, and compare the speed.")] = False,
    editor: Annotated[
        bool, typer.Option("--editor", help="Which interpreter to give VS Code or PyCharm, and where.")
    ] = False,
    capture: Annotated[
        Path | None, typer.Option("--capture", help="Write this machine's raw facts into a new file, too.")
    ] = None,
    captured: Annotated[
        Path | None, typer.Option("--from", help="Another machine, from the file that --capture wrote there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="The yes to --fix.")] = False,
) -> int:
    """Is this machine ready, and what mends it.

    Examples:

    \b
      lensmith doctor
      lensmith doctor --fix
      lensmith doctor --deep    # ten seconds of computing, results and speed checked
      lensmith doctor train.log    # what the errors in it mean here
    """
    from lensmith.cli.examination import examine_machine

    return examine_machine(
        error, captured, capture, fix=fix, deep=deep, editor=editor, yes=yes, as_json=as_json
    )
