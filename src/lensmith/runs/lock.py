"""A run belongs to one process at a time: `RUN/lock` says to which.

A lock is a file that is made whole under another name and then linked to its own, which the file system lets only one
process do. One that was left behind by a process that is gone may be taken away only by whoever holds a second lock,
named for the content of the first: so it is taken away once, and never a newer one in its place. No times of files
and no locks of the system are asked, so clocks may jump, and the file system may be one without.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lensmith.errors import UsageError
from lensmith.runs.holder import Holder, read_holder, this_process

LOCK = "lock"
_PATIENCE, _PAUSE = 5.0, 0.02
"""Seconds that a lock gets that is being written or taken away just now; seconds between two looks."""


@dataclass(frozen=True)
class Lock:
    """What a lock file said. holder: None where that was no holder."""

    holder: Holder | None
    digest: str

    def is_stale(self) -> bool:
        """Whether its process is surely gone."""
        return self.holder is not None and self.holder.is_alive() is False


def read_lock(file: Path) -> Lock | None:
    """The lock as it stands; None where there is none."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    text = content.decode("utf-8", errors="replace")
    return Lock(read_holder(text), _digest(content))


@contextlib.contextmanager
def hold(run: Path) -> Iterator[str]:
    """Hold the run in this folder until the block ends, however it does; yields a word on a lock left behind, or "".

    Raises `UsageError` where another process holds it, or one of another machine may.
    """
    file = run / LOCK
    cured, digest = _take(file)
    try:
        yield cured
    finally:
        _give_back(file, digest)


def is_of_lock(file: Path) -> bool:
    """Whether a file of a run's folder is there for its lock alone."""
    return file.name == LOCK or file.name.startswith(f".{LOCK}-")


def _take(file: Path) -> tuple[str, tuple[int, str]]:
    """A word on what was cured, and what tells the new lock from any other: its process and its digest."""
    me, cured = this_process(), ""
    # A number drawn for it makes each lock another one, though one process takes the same one twice.
    content = json.dumps(me.as_dict() | {"lock": uuid.uuid4().hex}, indent=2).encode()
    mine = (me.pid, _digest(content))
    until = time.monotonic() + _PATIENCE
    while not _make(file, content):
        found = read_lock(file)
        if found is None:
            continue  # given back in this moment
        if found.digest == mine[1]:
            break  # a network file system that made it and lost the answer
        if found.holder is not None and not found.is_stale():
            raise _refused(file, found.holder)
        if found.is_stale() and _take_away(file, found):
            cured = f"taken over from {found.holder}, which is gone"
        elif time.monotonic() > until:
            raise UsageError(
                f"{file}: it does not tell which process works on this run",
                hint="If there surely is none, remove that file and start again.",
            )
        else:
            time.sleep(_PAUSE)
    return cured, mine


def _take_away(file: Path, stale: Lock) -> bool:
    """Remove a lock that was left behind, unless another process is at that."""
    right = file.with_name(f".{LOCK}-{stale.digest}")
    try:
        mine = _take(right)[1]
    except UsageError:
        return False
    try:
        # Only who holds the right to it removes it, so what was read here cannot become another one's.
        found = read_lock(file)
        if found is not None and found.digest == stale.digest:
            file.unlink()
            return True
        return False
    finally:
        _give_back(right, mine)


def _give_back(file: Path, mine: tuple[int, str]) -> None:
    """Remove a lock if it is still the one that was taken: not in a forked child, and not another one's."""
    pid, digest = mine
    found = read_lock(file)
    if pid == os.getpid() and found is not None and found.digest == digest:
        with contextlib.suppress(
            OSError
        ):  # a folder that has become read-only keeps it; the process will be gone
            file.unlink()


def _make(file: Path, content: bytes) -> bool:
    """Make the file with this content, whole, unless there is one."""
    beside = file.with_name(f".{LOCK}-{uuid.uuid4().hex}.part")
    _write_new(beside, content)
    try:
        os.link(beside, file)
    except FileExistsError:
        return False
    except OSError:
        return _make_in_place(file, content)  # no links here: FAT, some network file systems
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    return True


def _make_in_place(file: Path, content: bytes) -> bool:
    """As `_make`; for a moment the file is there and tells nothing."""
    try:
        _write_new(file, content)
    except FileExistsError:
        return False
    return True


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _write_new(file: Path, content: bytes) -> None:
    with file.open("xb") as opened:
        try:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.unlink()
            raise


def _refused(file: Path, holder: Holder) -> UsageError:
    run = file.parent
    if holder.is_alive() is None:
        return UsageError(
            f"{run} is held by {holder}; whether that process is still there cannot be told from here",
            hint=f"If it is surely gone, remove {file} and start again.",
        )
    who, named = "this process" if holder.is_this_process() else str(holder), shlex.quote(str(run))
    return UsageError(
        f"{run} is held by {who}",
        hint=f"lensmith status {named} shows it, lensmith stop {named} ends it; another run needs another folder.",
    )
