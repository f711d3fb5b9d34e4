"""A command that goes on without its terminal: started in a session of its own, told of until its run stands."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import typer

from lensmith.cli import show
from lensmith.errors import UsageError
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import write_json

_PLACE = "LENSMITH_DETACHED"
"""Tells the detached process the folder in which it speaks with the one that started it."""
_OUTPUT, _TOLD = "output.log", "run.json"
_PATIENCE, _PAUSE = 600.0, 0.05
"""Seconds that are waited for the run to stand, and between two looks."""


def start_detached(words: list[str], as_json: bool, patience: float = _PATIENCE) -> None:
    """Run this command line once more, detached, and wait until its run stands; what goes wrong before that is told
    here, and ends in its exit code. After `patience` seconds it prepares alone.

    words: of the command line, as `typer.Context.obj` holds them. To interrupt the waiting ends what was started.
    """
    place = Path(tempfile.mkdtemp(prefix="lensmith-"))
    kept = [word for word in words if word not in ("--detach", "--json")]
    with (place / _OUTPUT).open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "lensmith", *kept],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {_PLACE: str(place), "PYTHONIOENCODING": "utf-8:backslashreplace"},
            **_own_session(),
        )
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a line that drops ends the waiting, and nothing else
    try:
        run = _wait(process, place, patience)
    except BaseException:
        process.terminate()
        process.wait()
        shutil.rmtree(place, ignore_errors=True)
        raise
    if run is not None:
        shutil.rmtree(place, ignore_errors=True)
    _tell(process.pid, run, place / _OUTPUT, as_json)
    process.returncode = 0  # it is let go of: nobody waits for it


def settle(run: str) -> None:
    """In a detached process: its run stands, so let its words go into `RUN/output.log`, and say where it is."""
    named = os.environ.pop(_PLACE, "")
    if not named:
        return
    place = Path(named)
    atexit.register(shutil.rmtree, place, ignore_errors=True)  # where nobody waited for it any more
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    before = (place / _OUTPUT).read_bytes() if (place / _OUTPUT).exists() else b""
    with RunDirectory(Path(run)).output_file.open("ab", buffering=0) as output:
        output.write(before)
        for descriptor in (1, 2):
            os.dup2(output.fileno(), descriptor)
    if place.is_dir():
        write_json(place / _TOLD, {"run": run})


def _own_session() -> dict[str, Any]:
    """What keeps signals of the terminal away: https://docs.python.org/3/library/subprocess.html#windows-constants."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _wait(process: subprocess.Popen[bytes], place: Path, patience: float) -> str | None:
    """The run's directory; None where it is still being prepared. What the process says is said here too."""
    until = time.monotonic() + patience
    with (place / _OUTPUT).open("rb") as output:
        while time.monotonic() < until:
            ended, run = process.poll(), _told(place)
            show.repeat(output)
            if run is not None:
                return run
            if ended is not None:
                raise typer.Exit(ended if ended >= 0 else 128 - ended)
            time.sleep(_PAUSE)
    return None


def _told(place: Path) -> str | None:
    with contextlib.suppress(OSError, ValueError):
        return str(json.loads((place / _TOLD).read_text(encoding="utf-8"))["run"])
    return None


def _tell(pid: int, run: str | None, output: Path, as_json: bool) -> None:
    log = output if run is None else RunDirectory(Path(run)).output_file
    if as_json:
        show.data({"run": run, "pid": pid, "log": str(log)})
        return
    if run is None:
        show.entry("detached", f"process {pid} still prepares; it says how far it is in {log}")
        return
    show.entry("detached", f"process {pid} goes on without this terminal; its words go to {log}")
    named = shlex.quote(run)
    show.say(f"{'you can':>9}  lensmith status {named} --follow  # watch it")
    show.say(f"{'':>9}  lensmith stop {named}  # let it finish its step, save, and end")


def refuse_beside(option: str, given: bool) -> None:
    """Raise `UsageError` where something else is asked for beside --detach that cannot be both."""
    if given:
        raise UsageError(f"--detach and {option}: one or the other")
