"""Asking a run to end: it finishes its step, saves, and says so."""

from __future__ import annotations

import os
import signal
import sys
import time

from lensmith.errors import MachineError
from lensmith.runs.files import write_text
from lensmith.runs.standing import Standing, read_standing

_PAUSE = 0.1


def ask_to_stop(standing: Standing) -> None:
    """Ask the process that works on the run: by SIGTERM, or by `RUN/stop` where none can be sent.

    That is so on Windows, and for a process of another machine. Raises `MachineError` for another account's.
    """
    holder = standing.holder
    if holder is None or not standing.alive or sys.platform == "win32":
        write_text(standing.run.stop_file, "lensmith stop\n")
        return
    try:
        os.kill(holder.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise MachineError(
            f"{holder}: it belongs to another account", hint=f"As that account: kill {holder.pid}"
        ) from error


def wait_for_end(standing: Standing, seconds: float) -> Standing:
    """Where the run stands once it has ended, or after so many seconds."""
    until = time.monotonic() + seconds
    while standing.state == "running" and time.monotonic() < until:
        time.sleep(_PAUSE)
        standing = read_standing(standing.run)
    return standing
