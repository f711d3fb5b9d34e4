"""Captures on the command line: another machine read from a file, and this one written into one."""

from __future__ import annotations

from pathlib import Path

from lensmith.cli.new_file import write_new
from lensmith.errors import UsageError
from lensmith.machine.capture import live, parse_capture
from lensmith.machine.facts import Machine, read_machine
from lensmith.machine.recording import Recorder

_LONGEST = 2**20
"""Bytes; a capture has some tens of thousands."""


def read_captured(file: Path) -> tuple[Machine, str]:
    """The machine in `file`, and the error that was pasted into it, if one was."""
    try:
        with file.open("rb") as opened:
            text = opened.read(_LONGEST + 1).decode("utf-8", errors="replace")
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read ({error.strerror})",
            hint="lensmith doctor --capture FILE, run on the machine in question, writes one.",
        ) from error
    if len(text) > _LONGEST:
        raise UsageError(f"{file} is longer than any capture of a machine")
    capture = parse_capture(text)
    return read_machine(capture.source), capture.message


def write_captured(file: Path) -> Machine:
    """Write this machine's raw facts into a new `file`; the machine."""
    recorder = Recorder(live())
    machine = read_machine(recorder)
    write_new(file, recorder.written())
    return machine
