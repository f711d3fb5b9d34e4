"""A copy of a repository to run in, so that the user's folder stays as it is."""

from __future__ import annotations

import itertools
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from lensmith.errors import DataError, MachineError

_LEFT_OUT = (".git", ".hg", ".svn", "__pycache__", ".venv", "venv", "node_modules")
_SPARE = 2**30
"""Bytes that stay free on the disk."""


def copy_repository(source: Path, into: Path) -> list[str]:
    """Copy a folder; returns what was left out, in words. Links are kept where they stay inside of it.

    Raises `MachineError` where the disk is too small for it, `DataError` where a file cannot be read.
    """
    root = source.resolve()
    kept, left_out = [], []
    for path, why in _walk(root):
        if why:
            left_out.append(f"{path.relative_to(root)}: {why}")
        else:
            kept.append(path)
    _require_room(sum(path.lstat().st_size for path in kept), into)
    into.mkdir(parents=True, exist_ok=True)
    for path in kept:
        target = into / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(path, target, follow_symlinks=False)
        except PermissionError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return left_out


def free_name(path: Path) -> Path:
    """`path`, or `path-2` and so on where something is there from the last time."""
    names = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(name for name in itertools.chain([path], names) if not name.exists())


def _walk(root: Path) -> Iterator[tuple[Path, str]]:
    """Files and links below a folder, each with the reason to leave it out, if there is one."""
    for here, folders, names in os.walk(root):
        folder = Path(here)
        links = [name for name in folders if (folder / name).is_symlink()]
        for name in [*links, *names]:
            yield folder / name, _reason(folder / name, root)
        folders[:] = [name for name in folders if name not in links and name not in _LEFT_OUT]


def _reason(path: Path, root: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        target = path.readlink()
        inside = not target.is_absolute() and Path(os.path.normpath(path.parent / target)).is_relative_to(
            root
        )
        return "" if inside else f"a link out of the repository, to {target}"
    return "" if stat.S_ISREG(mode) else "neither a file nor a folder"


def _require_room(size: int, into: Path) -> None:
    place = next(folder for folder in (into, *into.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if size + _SPARE > free:
        raise MachineError(
            f"{into}: the copy of the repository takes {size / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free",
            hint="Give a folder on another disk with --out.",
        )
