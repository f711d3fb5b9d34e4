"""The cache folder: where it is, what it holds, and its limit."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from lensmith.errors import UsageError

LIMIT = 20 * 2**30
"""Bytes that the cache may hold before what was used longest ago goes."""


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
    for index in columns_folder().glob("*/index.json"):
        size = sum(file.stat().st_size for file in index.parent.iterdir())
        found.append(Entry(index.parent, size, index.stat().st_mtime))
    return sorted(found, key=lambda entry: entry.used)


def clear() -> int:
    """Delete every column, half-written ones too; returns the bytes freed."""
    folder = columns_folder()
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    shutil.rmtree(folder, ignore_errors=True)
    return size


def make_room(limit: int = LIMIT) -> None:
    """Delete what was used longest ago until the cache holds at most `limit` bytes; the newest stays."""
    held = entries()
    total = sum(entry.bytes for entry in held)
    for entry in held[:-1]:
        if total <= limit:
            return
        shutil.rmtree(entry.path, ignore_errors=True)
        total -= entry.bytes
