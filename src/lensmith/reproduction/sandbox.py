"""Foreign code runs here: in a folder of its own, with a bare environment, under limits; nothing of it is left.

What keeps it in its bounds is `guard`. Windows has no such thing: there its tree of processes is ended, and no more.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from lensmith.reproduction.figures import Figure, FigureReader
from lensmith.reproduction.verdict import Ended
from lensmith.types import Event

KEPT = (
    *("LANG", "LANGUAGE", "LC_*", "TZ", "TERM", "COLUMNS"),
    *("CUDA_*", "NVIDIA_*", "HIP_*", "ROCR_*", "LD_LIBRARY_PATH", "OMP_*", "MKL_*", "OPENBLAS_*", "SSL_CERT_*"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT", "WINDIR", "PROCESSOR_ARCHITECTURE", "NUMBER_OF_PROCESSORS"),
)
"""Variables that foreign code may see. A list of what may pass, since secrets have any name."""
HEAD, TAIL = 8 * 2**20, 2 * 2**20
"""Bytes of output that are kept from its beginning and from its end."""
_LAST_WORDS = 2000


@dataclass(frozen=True)
class Limits:
    """What foreign code may take: seconds, bytes of memory (None for no limit), and whether it has a network."""

    seconds: float
    memory: int | None
    network: bool = False


@dataclass(frozen=True)
class Place:
    """Where foreign code runs. folder: a copy of the repository; programs: the folder that holds its Python, first
    on its path; home, log: a folder and a file of the run."""

    folder: Path
    programs: Path
    home: Path
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


@dataclass
class _Told:
    """What the guard told so far."""

    facts: dict[str, Any] = field(default_factory=dict)


def run_command(command: str, place: Place, limits: Limits) -> Generator[Event, None, Ran]:
    """Run a command line in the system's shell, its output in `place.log`; yields an event about once a second.

    Closed early, it ends everything that the command started.
    """
    for folder in (place.home, place.home / "tmp", place.log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    began, reader = time.monotonic(), FigureReader()
    with _Log(place.log) as log:
        process, told = _start(command, place, limits)
        cut = ""
        try:
            for words in _pieces(process, reader, log):
                seconds = time.monotonic() - began
                if seconds > limits.seconds:
                    cut = "time"
                    break
                yield Event("run", words, int(seconds), int(limits.seconds))
        finally:
            _end(process)
    facts = _told(told)
    code = facts.get("code") if told is not None else process.returncode
    ended = Ended(code, cut or facts.get("cut", ""), time.monotonic() - began, log.last_words())
    figures = tuple(reader.figures())
    return Ran(command, ended, figures, _conditions(limits, facts), log.size, facts.get("peak"))


def environment(place: Place, given: Mapping[str, str]) -> dict[str, str]:
    """The variables that foreign code sees, out of those given: no tokens, no paths into other Pythons."""
    kept = {
        name: value
        for name, value in given.items()
        if any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in KEPT)
    }
    home, temporary = str(place.home.absolute()), str((place.home / "tmp").absolute())
    return kept | {
        "PATH": os.pathsep.join([str(place.programs.absolute()), given.get("PATH", os.defpath)]),
        "HOME": home,
        "USERPROFILE": home,
        "TMPDIR": temporary,
        "TEMP": temporary,
        "TMP": temporary,
        "VIRTUAL_ENV": str(place.programs.absolute().parent),
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "MPLBACKEND": "Agg",  # no window opens
        "WANDB_MODE": "offline",  # nobody is there to log in
    }


def _start(command: str, place: Place, limits: Limits) -> tuple[subprocess.Popen[bytes], int | None]:
    """The process, and the pipe on which the guard tells; None without a guard."""
    variables = environment(place, os.environ)
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
        return subprocess.Popen(
            command,
            shell=True,
            cwd=place.folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            creationflags=flags,
        ), None
    told, tell = os.pipe()
    spec = {
        "command": command,
        "folder": str(place.folder),
        "memory": limits.memory,
        "network": limits.network,
        "tell": tell,
        "parent": os.getpid(),
    }
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("guard.py")), json.dumps(spec)],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[tell],
            start_new_session=True,
        )
    finally:
        os.close(tell)
    return process, told


def _pieces(process: subprocess.Popen[bytes], reader: FigureReader, log: _Log) -> Generator[str, None, None]:
    """Takes the output as it comes; yields the last line of it about once a second, until all is said."""
    assert process.stdout is not None
    pieces: queue.Queue[bytes] = queue.Queue(64)
    threading.Thread(target=_read, args=(process.stdout, pieces), daemon=True).start()
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    last, told = "", 0.0
    while True:
        try:
            piece = pieces.get(timeout=0.2)
        except queue.Empty:
            # A process that got away may hold the pipe open: without the guard nothing more is waited for.
            if process.poll() is not None:
                return
            piece = None
        if piece == b"":
            return
        if piece:
            text = decode(piece)
            reader.feed(text)
            log.write(piece)
            last = next((row.strip() for row in reversed(text.splitlines()) if row.strip()), last)
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            yield last[-200:]


def _read(pipe: BinaryIO, pieces: queue.Queue[bytes]) -> None:
    while piece := os.read(pipe.fileno(), 2**16):
        pieces.put(piece)
    pieces.put(b"")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of it goes on."""
    if sys.platform == "win32":
        if process.poll() is None:
            asked = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
            subprocess.run(asked, capture_output=True, check=False)
    else:
        with contextlib.suppress(OSError):
            process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _told(pipe: int | None) -> dict[str, Any]:
    """What the guard told."""
    if pipe is None:
        return {}
    with open(pipe, "rb") as told:  # noqa: PTH123  # a descriptor
        rows = told.read().splitlines()
    facts: dict[str, Any] = {}
    for row in rows:
        facts |= json.loads(row)
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
    return f"network {network}", f"memory {memory if limits.memory else size}", f"time {limits.seconds:,.0f} s"


class _Log:
    """A file that keeps the beginning and the end of an output of any length."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._path = path
        self._tail: deque[bytes] = deque()
        self._held = 0

    def __enter__(self) -> _Log:
        self._file = self._path.open("wb")
        return self

    def write(self, piece: bytes) -> None:
        """Take the next piece."""
        room = max(0, HEAD - self.size)
        self.size += len(piece)
        if room:
            self._file.write(piece[:room])
            self._file.flush()
        rest = piece[room:]
        self._tail.append(rest)
        self._held += len(rest)
        while self._held - len(self._tail[0]) > TAIL:
            self._held -= len(self._tail.popleft())

    def __exit__(self, *error: object) -> None:
        dropped = self.size - min(self.size, HEAD) - self._held
        if dropped:
            self._file.write(f"\n... {dropped:,} bytes are left out here ...\n".encode())
        for piece in self._tail:
            self._file.write(piece)
        self._file.close()

    def last_words(self) -> str:
        """The end of what was kept."""
        with self._path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_WORDS))
            return file.read().decode("utf-8", "replace")
