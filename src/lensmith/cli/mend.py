"""Running the commands that mend a machine: shown first, after a yes, one after the other."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence

import typer

from lensmith.cli import show
from lensmith.diagnosis.quoting import Command, paste
from lensmith.errors import MachineError

_GRACE = 20.0
"""Seconds that an interrupted command gets to put back what it was replacing."""


def may_run(commands: Sequence[Command], yes: bool) -> bool:
    """Show them, and ask; without a terminal only `yes` is a yes."""
    show.say("These commands mend it:")
    for command in commands:
        show.say(f"  {paste(command)}")
    if yes:
        return True
    if not sys.stdin.isatty():
        show.say("Nothing was run: there is no terminal to ask on. Add --yes to run them.")
        return False
    try:
        if typer.confirm("Run them?", err=True):
            return True
    except typer.Abort:
        show.say()
    show.say("Nothing was run.")
    return False


def run_commands(commands: Sequence[Command]) -> None:
    """Run them until one fails, which is a MachineError that says what was done and what is left."""
    for number, command in enumerate(commands, 1):
        show.say(f"$ {paste(command)}")
        try:
            code = _run(command)
        except OSError as error:
            raise MachineError(
                f"{command[0]} cannot be run ({error.strerror})", hint=_left(commands, number)
            ) from error
        except KeyboardInterrupt:
            show.say(f"interrupted: {paste(command)}")
            show.say(f"It may be half done. {_left(commands, number)}")
            raise
        if code != 0:
            raise MachineError(
                f"the command ended with exit code {code}: {paste(command)}",
                hint=f"What it printed above says why. {_left(commands, number)}",
            )


def _run(command: Command) -> int:
    # What it prints are words: stdout stays free for the report.
    with subprocess.Popen(command, stdout=sys.stderr) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # It got the same Ctrl-C, and an installer puts back what it had begun to replace.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            process.kill()
            raise


def _left(commands: Sequence[Command], number: int) -> str:
    done = f"{number - 1} of {len(commands)} commands were done."
    return (
        f"{done} `lensmith doctor` says where the machine stands; `lensmith doctor --fix` goes on from there."
    )
