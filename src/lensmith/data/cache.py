"""The cache folder: where it is, what it holds, and its limit."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lensmith.errors import UsageError

LIMIT = 20 * 2**30
"""Bytes that the cache may hold before what was used longest ago goes."""
_ABANDONED = 86_400
"""Seconds after which a half-written column has no writer any more."""


@dataclass(frozen=True)
class Entry:
    """One column in the cache."""

    path: Path
    bytes: int
    used: float


def cache_folder() -> Path:
    """`LENSMITH_CACHE`, else the platform's own place for what can be made again."""
    named = os.environ.get("LENSMITH_CACHE")
    if named:
        return Path(named)
    try:
        home = Path.home()
    except RuntimeError as error:
        raise UsageError(
            "no home folder, so no cache folder", hint="Set LENSMITH_CACHE to a folder."
        ) from error
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "lensmith"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "lensmith"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "lensmith"


def columns_folder() -> Path:
    """Where decoded columns lie."""
    return cache_folder() / "columns"


def entries() -> list[Entry]:
    """What the cache holds, the longest unused first."""
    found = []
    for index in columns_folder().glob("[!.]*/index.json"):
        with contextlib.suppress(OSError):  # another process may clear it meanwhile
            size = sum(file.stat().st_size for file in index.parent.iterdir())
            found.append(Entry(index.parent, size, index.stat().st_mtime))
    return sorted(found, key=lambda entry: entry.used)


def clear() -> int:
    """Delete every column, half-written ones too; returns the bytes freed."""
    folder = columns_folder()
    before = _held(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return before - _held(folder)


def make_room(limit: int = LIMIT) -> None:
    """Delete what was used longest ago until the cache holds at most `limit` bytes; the newest stays."""
    for place in columns_folder().glob(".*"):
        with contextlib.suppress(OSError):
            if time.time() - place.stat().st_mtime > _ABANDONED:
                shutil.rmtree(place, ignore_errors=True)
    held = entries()
    total = sum(entry.bytes for entry in held)
    for entry in held[:-1]:
        if total <= limit:
            return
        shutil.rmtree(entry.path, ignore_errors=True)
        total -= entry.bytes


def _held(folder: Path) -> int:
    sizes = []
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):
            sizes.append(file.stat().st_size if file.is_file() else 0)
    return sum(sizes)
