"""Processes of one host that want the same column: one fills it, the others wait and then find it filled."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from lensmith.machine.limits import processes_here

try:
    import fcntl
except ImportError:  # Windows has none, and each process decodes for itself
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def in_turn(folder: Path | None) -> Iterator[None]:
    """Hold a column's place, where torchrun started several processes here; it is given back with the process."""
    handle = _opened(folder) if folder is not None and fcntl is not None and processes_here() > 1 else None
    if folder is None or handle is None:
        yield
        return
    try:
        with contextlib.suppress(OSError):  # a file system that knows no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        _place(folder).unlink(missing_ok=True)
        os.close(handle)


def _opened(folder: Path) -> int | None:
    with contextlib.suppress(OSError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        return os.open(_place(folder), os.O_CREAT | os.O_RDWR, 0o600)
    return None


def _place(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.turn"
