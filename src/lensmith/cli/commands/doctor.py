"""`lensmith doctor`."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from importlib.metadata import version
from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.diagnosis.cures import Command, paste
from lensmith.diagnosis.doctor import GIB, Finding, diagnose
from lensmith.diagnosis.messages import MESSAGE, explain_message
from lensmith.diagnosis.transcript import read_transcript
from lensmith.errors import MachineError, UsageError
from lensmith.machine.facts import Machine, read_machine

_COLUMNS = 100


def doctor(
    error: Annotated[
        str | None, typer.Argument(help="An error's text, a log file, or - for stdin: what it means here.")
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Run the commands that mend it, after a yes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="The yes to --fix.")] = False,
) -> int:
    """Is this machine ready, and what mends it."""
    text = None if error is None else read_transcript(error)
    machine = read_machine()
    told = [] if text is None else _explained(text, machine)
    findings = [*told, *diagnose(machine)]
    commands = list(dict.fromkeys(command for finding in findings for command in finding.commands))
    if fix and commands and _may_run(commands, yes):
        _run(commands)
        importlib.invalidate_caches()
        machine = read_machine()
        findings = [*told, *diagnose(machine)]
    elif fix and not commands:
        show.say("no command mends what is found here" if _unwell(findings) else "nothing to mend")
    if as_json:
        found = [finding.as_dict() for finding in findings]
        show.data({"ready": not _unwell(findings), "machine": machine.as_dict(), "findings": found})
    else:
        _print(machine, findings)
    return 1 if _unwell(findings) else 0


def _explained(text: str, machine: Machine) -> list[Finding]:
    told = explain_message(text, machine)
    if not told:
        raise UsageError(
            "the error's text is empty", hint="Give a log file, the text in quotes, or - for stdin."
        )
    return told


def _unwell(findings: list[Finding]) -> bool:
    return any(finding.severity == "error" for finding in findings)


def _may_run(commands: list[Command], yes: bool) -> bool:
    show.say("These commands mend it:")
    for command in commands:
        show.say(f"  {paste(command)}")
    if yes:
        return True
    if not sys.stdin.isatty():
        show.say("Nothing was run: there is no terminal to ask on. Add --yes to run them.")
        return False
    try:
        return typer.confirm("Run them?", err=True)
    except typer.Abort:
        return False


def _run(commands: list[Command]) -> None:
    for command in commands:
        show.say(f"$ {paste(command)}")
        try:
            # What it prints are words: stdout stays free for the report.
            code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
        except OSError as error:
            raise MachineError(f"{command[0]} cannot be run ({error.strerror})") from error
        if code != 0:
            raise MachineError(
                f"the command ended with exit code {code}: {paste(command)}",
                hint="What it printed above says why. lensmith doctor shows where the machine stands now.",
            )


def _print(machine: Machine, findings: list[Finding]) -> None:
    nvidia = machine.nvidia
    for finding in findings:
        if finding.name == MESSAGE:
            _tell(finding)
    show.line(f"lensmith {version('lensmith')}, Python {machine.python} at {machine.executable}")
    show.line(
        f"{machine.system} ({machine.platform}), {machine.cores} cores, {_size(machine.memory)} memory,"
        f" {_size(machine.disk_free)} free on disk"
    )
    for gpu in nvidia.gpus:
        show.line(f"{gpu.name}, compute capability {gpu.capability or 'unknown'}, {_size(gpu.memory)}")
    if nvidia.driver:
        show.line(f"NVIDIA driver {nvidia.driver}, serves CUDA up to {machine.driver_cuda or 'none known'}")
    show.line()
    for finding in findings:
        if finding.name == MESSAGE:
            continue
        show.line(f"{'ok' if finding.ok else finding.severity:<8} {finding.name:<13} {finding.detail}")
        if finding.cure:
            show.line(f"{'':<22} {finding.cure}")
        for command in finding.commands:
            show.line(f"{'':<22}   {paste(command)}")
    show.line()
    show.line(_verdict(findings))


def _tell(finding: Finding) -> None:
    """What a message means, as paragraphs."""
    for words in (finding.detail, f"What mends it: {finding.cure}"):
        for row in textwrap.wrap(words, _COLUMNS, break_long_words=False, break_on_hyphens=False):
            show.line(row)
    for command in finding.commands:
        show.line(f"  {paste(command)}")
    show.line()


def _verdict(findings: list[Finding]) -> str:
    verdict = "This machine is not ready." if _unwell(findings) else "This machine is ready."
    mends = any(finding.commands for finding in findings)
    return f"{verdict} lensmith doctor --fix runs the commands above." if mends else verdict


def _size(count: int | None) -> str:
    return "unknown" if count is None else f"{count / GIB:.1f} GiB"
