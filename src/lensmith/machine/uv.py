"""Where uv is, which resolves packages as of a day and makes environments."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lensmith.errors import MachineError
from lensmith.machine.programs import find_program


def find_uv() -> str | None:
    """The uv beside this Python, else the one on PATH."""
    beside = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
    return str(beside) if beside.is_file() else find_program("uv")


def require_uv() -> str:
    """The uv of this machine. Raises `MachineError` where there is none."""
    found = find_uv()
    if found is None:
        hint = "pip install uv  (resolving packages as of a date, and building, need it)"
        raise MachineError("uv is not installed", hint=hint)
    return found
