"""Captures on the command line: another machine read from a file, and this one written into one."""

from __future__ import annotations

from pathlib import Path

from lensmith.errors import UsageError
from lensmith.machine.capture import live, parse_capture
from lensmith.machine.facts import Machine, read_machine
from lensmith.machine.recording import Recorder

_LONGEST = 16 * 2**20


def read_captured(file: Path) -> tuple[Machine, str]:
    """The machine in `file`, and the error that was pasted into it, if one was."""
    try:
        with file.open("rb") as opened:
            text = opened.read(_LONGEST).decode("utf-8", errors="replace")
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read ({error.strerror})",
            hint="lensmith doctor --capture FILE, run on the machine in question, writes one.",
        ) from error
    capture = parse_capture(text)
    return read_machine(capture.source), capture.message


def write_captured(file: Path) -> Machine:
    """Write this machine's raw facts into a new `file`; the machine."""
    recorder = Recorder(live())
    machine = read_machine(recorder)
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(recorder.written())
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written ({error.strerror})", hint="Give the name of a new file."
        ) from error
    return machine
