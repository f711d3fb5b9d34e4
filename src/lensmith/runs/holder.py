"""Who works on a run: a process, told so exactly that it is never taken for another one."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shlex
import socket
import sys
import textwrap
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lensmith.runs.process_start import boot, numbering, started

_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_NUMBERS = ("pid", "attempt")
_SHOWN = 100
"""Characters of a command that are shown."""


@dataclass(frozen=True)
class Holder:
    """A process. host: the name of its machine; machine: what tells it from one of the same name.

    boot, numbering, started: as `process_start` tells them; since: when it took the run, by its clock, for people
    alone; command: what was typed; job, attempt: of a batch system that starts a job again only when it is gone.
    """

    pid: int
    host: str
    machine: str
    boot: str
    numbering: str
    started: str
    since: str
    command: str
    job: str
    attempt: int

    def is_alive(self) -> bool | None:
        """Whether it is still there; None where that cannot be told from here: it is of another machine."""
        here = this_process()
        is_here = (self.host, self.machine) == (here.host, here.machine)
        if is_here and self.boot != here.boot:
            return False
        if not is_here or self.numbering != here.numbering:
            return False if self.job and self.job == here.job and self.attempt < here.attempt else None
        now = started(self.pid)
        if now is None:
            return False
        return not (now and self.started) or now == self.started

    def is_this_process(self) -> bool:
        """Whether it is the process that asks."""
        return dataclasses.replace(this_process(), since=self.since, command=self.command) == self

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        words = textwrap.shorten(self.command, _SHOWN, placeholder=" ...")
        return f"process {self.pid} on {self.host}, since {self.since} ({words})"


def this_process() -> Holder:
    """The process that asks, since now."""
    pid = os.getpid()
    return Holder(
        pid=pid,
        host=socket.gethostname(),
        machine=_machine(),
        boot=boot(),
        numbering=numbering(),
        started=started(pid) or "",
        since=datetime.now().astimezone().isoformat(timespec="seconds"),
        command=_command(),
        job=_job(),
        attempt=int(attempt) if (attempt := os.environ.get("SLURM_RESTART_COUNT", "")).isdecimal() else 0,
    )


def read_holder(text: str) -> Holder | None:
    """A holder by its JSON form; None for what is none."""
    try:
        told: dict[str, Any] = json.loads(text)
        fields = {field.name: told[field.name] for field in dataclasses.fields(Holder)}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    whole = all(type(value) is (int if name in _NUMBERS else str) for name, value in fields.items())
    return Holder(**fields) if whole else None


def _command() -> str:
    program, *words = sys.argv or [""]
    name = Path(program).name
    return shlex.join(["lensmith" if name == "__main__.py" else name, *words])


def _job() -> str:
    """The job of Slurm, by its cluster and number: https://slurm.schedmd.com/sbatch.html."""
    words = [os.environ.get(name, "") for name in ("SLURM_CLUSTER_NAME", "SLURM_JOB_ID")]
    return " ".join(words) if words[1] else ""


def _machine() -> str:
    """A digest of what the system calls this machine: the identity itself is not to be shown (machine-id(5))."""
    for file in _MACHINE_IDS:
        try:
            return hashlib.sha256(b"lensmith " + file.read_bytes()).hexdigest()[:16]
        except OSError:
            continue
    return ""
