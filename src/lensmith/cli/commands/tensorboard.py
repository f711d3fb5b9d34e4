"""`lensmith tensorboard`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from lensmith.cli import show
from lensmith.errors import MachineError, ModelFileError


def tensorboard(
    runs: Annotated[Path, typer.Argument(help="A run, or a folder of runs.", metavar="[RUNS]")] = Path(
        "runs"
    ),
    port: Annotated[int, typer.Option(help="0 picks a free one.")] = 6006,
) -> int:
    """Curves, pictures and graphs of runs, in a browser.

    Examples:

    \b
      lensmith tensorboard
      lensmith tensorboard runs/photos-001 --port 6007
    """
    from importlib.util import find_spec

    from lensmith.machine.remote import ways_to

    if find_spec("tensorboard") is None:
        raise MachineError("tensorboard is not installed", hint='pip install "lensmith[train]"')
    if not runs.is_dir():
        raise ModelFileError(f"{runs}: no such folder", hint="Train first: lensmith train DATA")
    if not any(runs.rglob("events.out.tfevents.*")):
        raise ModelFileError(
            f"{runs}: no curves in it", hint="They lie in RUN/tensorboard; a linear head leaves none."
        )
    port = port or _free_port()
    show.say(f"TensorBoard on {runs}; Ctrl-C ends it")
    for line in ways_to(f"http://127.0.0.1:{port}", os.environ):
        show.say(line)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(runs), "--port", str(port)]
    return subprocess.call([*command, "--host", "127.0.0.1"])


def _free_port() -> int:
    # Chosen here, since whoever comes through a tunnel has to know it beforehand.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
