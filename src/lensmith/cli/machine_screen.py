"""What the doctor shows a person: facts, findings, a verdict and the next command; readable at 80 columns."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from lensmith.cli import show
from lensmith.diagnosis.doctor import GIB, Finding
from lensmith.diagnosis.editors import EditorSettings, editor_steps
from lensmith.diagnosis.mending import commands_to_run
from lensmith.diagnosis.quoting import paste
from lensmith.machine.facts import Machine

_LABEL = 10
_COLOURS = {"ok": "32", "note": "36", "warning": "33", "error": "31"}
_MADE_BY = {"": "in no environment", "venv": "a venv", "uv": "a venv of uv", "conda": "conda", "pixi": "pixi"}


def print_machine(machine: Machine, settings: EditorSettings) -> None:
    """The facts, a line for each kind of them."""
    show.line(_bold(f"lensmith {version('lensmith')}"))
    for label, words in _facts(machine):
        _entry(label, words)
    how = " over SSH" if settings.remote else ""
    _entry("editors", f"take this Python as interpreter{how}: lensmith doctor --editor")
    show.line()


def print_messages(findings: Sequence[Finding]) -> None:
    """What a pasted error means, as paragraphs."""
    for finding in findings:
        for words in (finding.detail, f"What mends it: {finding.cure}"):
            for row in _fold(words, _width() or 100):
                show.line(row)
        _commands(finding)
        show.line()


def print_findings(findings: Sequence[Finding], told: Sequence[Finding] = ()) -> None:
    """Each with its cure, then the verdict on them and on what was `told` before."""
    for finding in findings:
        if finding.ok and finding.name == "python":
            continue  # among the facts above
        mark = finding.severity if not finding.ok else "note" if finding.cure else "ok"
        _entry(mark, finding.detail, _COLOURS[mark])
        if finding.cure:
            _entry("", finding.cure)
        _commands(finding)
    show.line()
    show.line(_verdict([*told, *findings]))


def print_editors(settings: EditorSettings) -> None:
    """Where each editor takes the interpreter."""
    where = f"over SSH as {settings.remote.user}" if settings.remote else "on this computer"
    show.line(f"The interpreter, {where}:")
    show.line(f"  {settings.interpreter}")
    for editor, steps in editor_steps(settings):
        show.line()
        show.line(_bold(editor))
        for step in steps:
            show.line(f"  {step}")


def _facts(machine: Machine) -> Iterator[tuple[str, str]]:
    yield "system", f"{machine.system} ({machine.platform}){_surroundings(machine)}"
    cores = f"{machine.cores} core{'s' if machine.cores != 1 else ''}"
    cores += f" of {machine.processor}" if machine.processor else ""
    yield "", f"{cores}, {_size(machine.memory)} memory, {_size(machine.disk_free)} free on disk"
    made_by = _MADE_BY[machine.managers.made_by]
    yield "Python", f"{machine.python}, {made_by}; packages by {_packages(machine)}"
    yield "", machine.executable
    for gpu in machine.nvidia.gpus:
        yield "GPU", f"{gpu.name}, compute capability {gpu.capability or 'unknown'}, {_size(gpu.memory)}"
    if machine.nvidia.driver:
        cuda = machine.driver_cuda or "none known"
        yield "", f"NVIDIA driver {machine.nvidia.driver}, serves CUDA up to {cuda}"


def _surroundings(machine: Machine) -> str:
    around, job = machine.surroundings, machine.variables.get("SLURM_JOB_ID")
    inside = [around.container, "WSL" if around.wsl else "", f"Slurm job {job}" if job else ""]
    return "".join(f", in {one}" for one in inside if one)


def _packages(machine: Machine) -> str:
    return ", ".join(machine.managers.here) or "nothing that is installed"


def _commands(finding: Finding) -> None:
    for command in finding.commands:
        # Never folded: it is there to be copied.
        show.line(f"  {_paint(paste(command), '36')}")


def _entry(label: str, words: str, colour: str = "") -> None:
    width = _width()
    for row in _fold(words, width - _LABEL) if width else [words]:
        show.line(f"{_paint(f'{label:<{_LABEL}}', colour) if label else ' ' * _LABEL}{row}")
        label = ""


def _fold(words: str, room: int) -> list[str]:
    return textwrap.wrap(words, room, break_long_words=False, break_on_hyphens=False)


def _width() -> int:
    """Columns to fold at; 0 for a file or a pipe, where what is not folded can be searched."""
    if not _is_terminal():
        return 0
    return max(40, min(shutil.get_terminal_size().columns, 100)) - 1


def _verdict(findings: Sequence[Finding]) -> str:
    ready = not any(finding.severity == "error" for finding in findings)
    verdict = "This machine is ready." if ready else "This machine is not ready."
    verdict = _paint(verdict, _COLOURS["ok" if ready else "error"])
    runs = commands_to_run(findings)
    return f"{verdict} lensmith doctor --fix runs the commands above." if runs else verdict


def _bold(text: str) -> str:
    return _paint(text, "1")


def _paint(text: str, colour: str) -> str:
    coloured = _is_terminal() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
    return f"\x1b[{colour}m{text}\x1b[0m" if colour and coloured else text


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()  # None where it was closed before the start


def _size(count: int | None) -> str:
    return "unknown" if count is None else f"{count / GIB:.1f} GiB"
