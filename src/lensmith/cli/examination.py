"""What `lensmith doctor` does: look at a machine, say what is wrong, mend it after a yes."""

from __future__ import annotations

import importlib
import os
import subprocess
from pathlib import Path

from lensmith.cli import show
from lensmith.cli.captured import read_captured, write_captured
from lensmith.cli.machine_screen import print_editors, print_findings, print_machine, print_messages
from lensmith.cli.mend import may_run, run_commands
from lensmith.diagnosis.deep import Exercise, judge_exercise, run_exercise
from lensmith.diagnosis.doctor import Finding, diagnose
from lensmith.diagnosis.editors import EditorSettings, editor_settings
from lensmith.diagnosis.homes import home_of
from lensmith.diagnosis.mending import commands_to_run, commands_to_show
from lensmith.diagnosis.messages import explain_message
from lensmith.diagnosis.transcript import read_transcript
from lensmith.errors import UsageError
from lensmith.machine.facts import Machine, read_machine
from lensmith.machine.remote import read_remote


def examine_machine(
    error: str | None,
    captured: Path | None,
    capture: Path | None,
    *,
    fix: bool,
    deep: bool,
    editor: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """The options of `lensmith doctor`; returns its exit code."""
    text = None if error is None else read_transcript(error)
    if captured is None:
        machine = _read_here(capture)
    elif fix or deep or editor or capture:
        raise UsageError("--from looks at another machine", hint="It goes with an error's text and --json.")
    else:
        machine, pasted = read_captured(captured)
        text = text or pasted or None
    settings = editor_settings(machine, read_remote(os.environ) if captured is None else None)
    if editor and not as_json:
        print_editors(settings)
        return 0
    told = [] if text is None else _explained(text, machine)
    findings = diagnose(machine)
    if fix:
        elsewhere = _mend(machine, [*findings, *told], yes)
        if elsewhere is not None:
            return _look(elsewhere, deep, as_json)
        importlib.invalidate_caches()
        machine = read_machine()
        findings = diagnose(machine)
    exercise = _compute(machine) if deep else None
    findings += judge_exercise(exercise, machine) if exercise else []
    if as_json:
        _print_json(machine, [*told, *findings], settings, exercise)
    else:
        print_messages(told)
        print_machine(machine, settings)
        print_findings(findings, told)
    return 1 if _unwell([*told, *findings]) else 0


def _read_here(capture: Path | None) -> Machine:
    if capture is None:
        return read_machine()
    machine = write_captured(capture)
    show.say(f"wrote {capture}; read it through before you give it to others")
    return machine


def _explained(text: str, machine: Machine) -> list[Finding]:
    told = explain_message(text, machine)
    if not told:
        raise UsageError(
            "the error's text is empty", hint="Give a log file, the text in quotes, or - for stdin."
        )
    return told


def _mend(machine: Machine, findings: list[Finding], yes: bool) -> str | None:
    """Run what may be run; the Python of the environment that was made, where packages had to go into a new one."""
    home, commands = home_of(machine), commands_to_run(findings)
    if commands:
        commands = list(
            dict.fromkeys([*home.make, *commands])
        )  # what a pasted error asks for goes there as well
    if by_hand := commands_to_show(findings):
        show.say(
            f"{len(by_hand)} of the commands below are for you to run: lensmith runs none as an administrator."
        )
    if not commands:
        show.say("no command mends what is found here" if _unwell(findings) else "nothing to mend")
    elif may_run(commands, yes):
        run_commands(commands)
        return home.python if home.reason else None
    return None


def _look(python: str, deep: bool, as_json: bool) -> int:
    """The doctor of another environment, since this process cannot leave its own."""
    words = ["doctor", *(["--deep"] if deep else []), *(["--json"] if as_json else [])]
    return subprocess.call([python, "-m", "lensmith", *words])


def _compute(machine: Machine) -> Exercise | None:
    if machine.torch is None:
        show.say("nothing was computed: torch is not installed")
        return None
    show.say("computing for a few seconds ...")
    return run_exercise()


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
