"""`lensmith doctor`."""

from __future__ import annotations

import importlib
import os
import subprocess
from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.cli.machine_screen import print_editors, print_findings, print_machine
from lensmith.cli.mend import may_run, run_commands
from lensmith.diagnosis.deep import Exercise, judge_exercise, run_exercise
from lensmith.diagnosis.doctor import Finding, diagnose
from lensmith.diagnosis.editors import EditorSettings, editor_settings
from lensmith.diagnosis.homes import home_of
from lensmith.diagnosis.mending import commands_to_run, commands_to_show
from lensmith.machine.facts import Machine, read_machine
from lensmith.machine.remote import read_remote


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Run the commands that mend it, after a yes.")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Compute something, and compare the speed.")] = False,
    editor: Annotated[
        bool, typer.Option("--editor", help="Which interpreter to give VS Code or PyCharm, and where.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="The yes to --fix.")] = False,
) -> int:
    """Is this machine ready, and what mends it.

    Examples:

    \b
      lensmith doctor
      lensmith doctor --fix
      lensmith doctor --deep    # ten seconds of computing, results and speed checked
    """
    machine = read_machine()
    settings = editor_settings(machine, read_remote(os.environ))
    if editor and not as_json:
        print_editors(settings)
        return 0
    findings = diagnose(machine)
    if fix:
        elsewhere = _mend(machine, findings, yes)
        if elsewhere is not None:
            return _look(elsewhere, deep, as_json)
        importlib.invalidate_caches()
        machine = read_machine()
        findings = diagnose(machine)
    exercise = None
    if deep:
        show.say("computing for a few seconds ...")
        exercise = run_exercise()
        findings += judge_exercise(exercise, machine)
    if as_json:
        _print_json(machine, findings, settings, exercise)
    else:
        print_machine(machine, settings)
        print_findings(findings)
    return 1 if _unwell(findings) else 0


def _mend(machine: Machine, findings: list[Finding], yes: bool) -> str | None:
    """Run what may be run; the Python of the environment that was made, where packages had to go into a new one."""
    commands = commands_to_run(findings)
    if by_hand := commands_to_show(findings):
        show.say(
            f"{len(by_hand)} of the commands below are for you to run: lensmith runs none as an administrator."
        )
    if not commands:
        show.say("no command mends what is found here" if _unwell(findings) else "nothing to mend")
    elif may_run(commands, yes):
        run_commands(commands)
        home = home_of(machine)
        return home.python if home.make else None
    return None


def _look(python: str, deep: bool, as_json: bool) -> int:
    """The doctor of another environment, since this process cannot leave its own."""
    words = ["doctor", *(["--deep"] if deep else []), *(["--json"] if as_json else [])]
    return subprocess.call([python, "-m", "lensmith", *words])


def _print_json(
    machine: Machine, findings: list[Finding], settings: EditorSettings, exercise: Exercise | None
) -> None:
    show.data(
        {
            "ready": not _unwell(findings),
            "machine": machine.as_dict(),
            "findings": [finding.as_dict() for finding in findings],
            "editor": settings.as_dict(),
            **({"deep": list(exercise.steps)} if exercise else {}),
        }
    )


def _unwell(findings: list[Finding]) -> bool:
    return any(finding.severity == "error" for finding in findings)
