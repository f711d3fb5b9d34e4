"""Foreign code runs here: in a folder of its own, with a bare environment, under limits; nothing of it is left.

What keeps it in its bounds is `guard`. Windows has no such thing: there its tree of processes is ended, and no more.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lensmith.errors import UsageError
from lensmith.machine.limits import memory as most_memory
from lensmith.reproduction.figures import Figure, FigureReader
from lensmith.reproduction.guard import clear_cage
from lensmith.reproduction.output import Log, Output
from lensmith.reproduction.verdict import Ended, shown_time
from lensmith.runs.fields import seconds_of
from lensmith.types import Event

KEPT = (
    *("LANG", "LANGUAGE", "LC_*", "TZ", "TERM", "COLUMNS"),
    *("CUDA_*", "NVIDIA_*", "HIP_*", "ROCR_*", "OMP_*", "MKL_*", "OPENBLAS_*", "LD_LIBRARY_PATH"),
    *("SSL_CERT_*", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT"),
    *("PROCESSOR_ARCHITECTURE", "NUMBER_OF_PROCESSORS"),
)
"""Variables that foreign code may see. A list of what may pass, since secrets have any name."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
"""What it may see besides where it has a network, in either case of letters."""

_MARK = "LENSMITH_RUN"


@dataclass(frozen=True)
class Limits:
    """What foreign code may take: seconds, bytes of memory (None for no limit), and whether it has a network."""

    seconds: float
    memory: int | None
    network: bool = False


def parse_limits(seconds: str, memory: str | None, network: bool) -> Limits:
    """`30m` and `8G` as they are typed; without a limit on memory, three quarters of what this process may use.

    Raises `UsageError` for what is no time or size.
    """
    allowed = most_memory()
    most = allowed * 3 // 4 if allowed else None
    try:
        limit = seconds_of(seconds)
    except UsageError as error:
        raise UsageError(f"--time-limit {seconds} is not a time", hint=error.hint) from None
    return Limits(limit, most if memory is None else _bytes(memory), network)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", text.strip().lower())
    if match is None or float(match[1]) == 0:
        raise UsageError(f"--memory-limit {text} is no size", hint="Write it like 8G or 500M.")
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2] or " "))


@dataclass(frozen=True)
class Place:
    """Where a command runs: its folder, the variables that it sees, and the file that keeps what it prints."""

    folder: Path
    variables: Mapping[str, str]
    log: Path


@dataclass(frozen=True)
class Ran:
    """A command that ended. conditions: what held it in bounds, in words; output, peak: bytes."""

    command: str
    ended: Ended
    figures: tuple[Figure, ...]
    conditions: tuple[str, ...]
    output: int
    peak: int | None


def run_command(command: str, place: Place, limits: Limits) -> Generator[Event, None, Ran]:
    """Run a command line in the system's shell, its output in `place.log`; yields an event about once a second.

    Closed early, it ends everything that the command started.
    """
    place.log.parent.mkdir(parents=True, exist_ok=True)
    began, reader = time.monotonic(), FigureReader()
    mark, cut, facts = uuid.uuid4().hex, "", {}
    with Log(place.log) as log:
        process, told = _start(command, place, limits, mark)
        try:
            with Output(process) as output:
                for text in output:
                    reader.feed(text.decoded)
                    log.write(text.raw)
                    seconds = time.monotonic() - began
                    if seconds > limits.seconds:
                        cut = "time"
                        break
                    if text.is_due:
                        yield Event("run", f"s  {text.last}", int(seconds), int(limits.seconds))
        finally:
            _end(process, mark)
            facts = _told(told)
    code = facts.get("code") if told is not None else process.returncode
    ended = Ended(code, cut or facts.get("cut", ""), time.monotonic() - began, log.last_words())
    figures = tuple(reader.figures())
    return Ran(command, ended, figures, _conditions(limits, facts), log.size, facts.get("peak"))


def bare_environment(
    programs: Path, home: Path, given: Mapping[str, str], *, network: bool = False
) -> dict[str, str]:
    """The variables that foreign code sees, out of those given: no tokens, no paths into other Pythons.

    programs: the folder that holds its Python, first on its path; home: an empty folder, made here.
    """
    kept = {
        name: value
        for name, value in given.items()
        if any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in KEPT)
    }
    if network:
        # One with a password stays out.
        kept |= {name: one for name, one in given.items() if name.lower() in PROXIES and "@" not in one}
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    house, temporary = str(home.absolute()), str((home / "tmp").absolute())
    return kept | {
        "PATH": os.pathsep.join([str(programs.absolute()), given.get("PATH", os.defpath)]),
        "HOME": house,
        "USERPROFILE": house,
        "TMPDIR": temporary,
        "TEMP": temporary,
        "TMP": temporary,
        "VIRTUAL_ENV": str(programs.absolute().parent),
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "MPLBACKEND": "Agg",  # no window opens
        "WANDB_MODE": "offline",  # nobody is there to log in
    }


def _start(
    command: str, place: Place, limits: Limits, mark: str
) -> tuple[subprocess.Popen[bytes], int | None]:
    """The process, and the pipe on which the guard tells; None without a guard."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
        return subprocess.Popen(
            command,
            shell=True,
            cwd=place.folder,
            env=dict(place.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            creationflags=flags,
        ), None
    told, tell = os.pipe()
    spec = {
        "command": command,
        "folder": str(place.folder.absolute()),
        "memory": limits.memory,
        "network": limits.network,
        "tell": tell,
        "parent": os.getpid(),
    }
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("guard.py")), json.dumps(spec)],
            env={**place.variables, _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[tell],
            start_new_session=True,
        )
    finally:
        os.close(tell)
    return process, told


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Nothing of it goes on, even where it did away with its guard."""
    if sys.platform == "win32":
        if process.poll() is None:
            asked = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
            subprocess.run(asked, capture_output=True, check=False)
    else:
        process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    until = time.monotonic() + 2
    while (left := {*_marked(mark), *clear_cage(process.pid)}) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _marked(mark: str) -> list[int]:
    """Processes that inherited this run's mark, on Linux."""
    found, wanted = [], f"{_MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def _told(pipe: int | None) -> dict[str, Any]:
    """What the guard told; the command may have found the pipe, and written into it or kept it open."""
    if pipe is None:
        return {}
    os.set_blocking(pipe, False)
    with open(pipe, "rb", buffering=0) as told:  # noqa: PTH123  # a descriptor
        rows = (told.read(2**16) or b"").splitlines()
    facts: dict[str, Any] = {}
    for row in rows:
        with contextlib.suppress(ValueError):
            one = json.loads(row)
            facts |= one if isinstance(one, dict) else {}
    return facts


def _conditions(limits: Limits, facts: Mapping[str, Any]) -> tuple[str, ...]:
    network = str(facts.get("network", "open: this system offers no way to shut it off for one program"))
    if limits.network:
        network = "open, as asked for"
    size = f"{limits.memory / 2**30:.1f} GiB" if limits.memory else "no limit"
    memory = {
        "cgroup": f"{size}, kept by the system (control group)",
        "watched": f"{size}, watched four times a second",
    }.get(str(facts.get("memory")), "no limit: this system offers none")
    return (
        f"network {network}",
        f"memory {memory if limits.memory else size}",
        f"time {shown_time(limits.seconds)}",
    )
