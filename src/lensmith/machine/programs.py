"""Other programs: where they are; asked, and not waited for beyond a time: one that hangs in a driver takes nothing
along."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Said:
    """How a program ended, and what it printed. code: negative for a signal, None where it had to be ended."""

    code: int | None
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.code == 0


def find_program(name: str, path: str | None = None) -> str | None:
    """Where a program is in `path`, PATH if none is given. Never in the folder that one stands in, which may be part
    of a foreign repository: Windows, and `shutil.which` on it, would look there first."""
    folders = (os.environ.get("PATH", os.defpath) if path is None else path).split(os.pathsep)
    endings = os.environ.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(";") if os.name == "nt" else [""]
    for place in (Path(folder, name + ending) for folder in folders for ending in endings):
        if place.is_absolute() and os.access(place, os.X_OK) and place.is_file():
            return str(place)
    return None


def ask_program(
    command: Sequence[str],
    seconds: float,
    *,
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
    encoding: str | None = None,
    in_one: bool = False,
) -> Said:
    """Run a program without input; after `seconds` it is ended, and all that it started.

    folder, variables, encoding: this process's own where none are given. in_one: what it prints on stderr stands
    among `out`. What was printed before the time was up is kept. Raises `OSError` where it cannot be started.
    """
    process = subprocess.Popen(
        list(command),
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if in_one else subprocess.PIPE,
        text=True,
        encoding=encoding,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=seconds)
        return Said(process.returncode, out, err or "")
    except subprocess.TimeoutExpired as late:
        return Said(None, _text(late.stdout), _text(late.stderr))
    finally:
        if process.poll() is None:
            _end(process)


def _text(output: str | bytes | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def _end(process: subprocess.Popen[str]) -> None:
    """Kill the process and its children, and wait no longer than a second: one that is stuck inside a driver call
    cannot be killed, and waiting for it would hang as it does."""
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
