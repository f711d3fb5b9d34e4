"""Checkpoints as directories: whole or not there, each file known by its sha256, the two newest kept.

`RUN/checkpoints/00000120/` holds what a training was after step 120. Its files are written and synced in a
neighbour of that name, `manifest.json` with their sha256 last; then the neighbour takes the name. Only when a new
one was read back do older ones go. Order is that of the steps, whatever the clock says.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lensmith.errors import ModelFileError
from lensmith.runs.files import sha256_of, sync_folder

MANIFEST = "manifest.json"
_FORMAT = 1
_KEPT = 2
_DIGITS = 8


@dataclass(frozen=True)
class Checkpoint:
    """One that verifies. files: what lies in it, as it was read; skipped: newer ones, and why each cannot be used."""

    step: int
    path: Path
    files: Mapping[str, bytes]
    skipped: tuple[str, ...]


def write_checkpoint(folder: Path, step: int, files: Mapping[str, bytes]) -> Path:
    """Write the checkpoint of a step, read it back, and remove all but it and the newest before it.

    Raises `OSError` where it cannot be written, `ModelFileError` where the disk gives back something else; those
    that were there are then as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    path = folder / f"{step:0{_DIGITS}d}"
    with contextlib.suppress(ModelFileError, OSError):
        _verify(path)
        return path  # a training that goes on comes to the same steps again, and is the same there
    part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=folder))
    try:
        for name, content in files.items():
            _write_synced(part / name, content)
        _write_synced(part / MANIFEST, _manifest(step, files))
        sync_folder(part)
        if path.exists():  # damaged: what is whole is not written again
            _remove(path)
        part.replace(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    sync_folder(folder)
    _verify(path)
    steps = _steps(folder)
    # Later ones were passed over when the training went on from before them.
    for other in {*(one for one in steps if one > step), *[one for one in steps if one <= step][_KEPT:]}:
        _remove(folder / f"{other:0{_DIGITS}d}")
    return path


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest that verifies; None where there is none at all.

    Raises `ModelFileError` where there are some and none verifies.
    """
    skipped: list[str] = []
    for step in _steps(folder):
        path = folder / f"{step:0{_DIGITS}d}"
        try:
            return Checkpoint(step, path, _read(path, step), tuple(skipped))
        except ModelFileError as error:
            skipped.append(error.message)
    if skipped:
        raise ModelFileError(
            f"no checkpoint can be used: {'; '.join(skipped)}",
            hint=f"Remove {folder}, and the training begins again.",
        )
    return None


def remove_checkpoints(folder: Path) -> None:
    """All of them, where the run does not need them any more."""
    shutil.rmtree(folder, ignore_errors=True)


def _steps(folder: Path) -> list[int]:
    """Of the checkpoints that have their name, the newest first."""
    if not folder.is_dir():
        return []
    return sorted((int(one.name) for one in folder.iterdir() if one.name.isdecimal()), reverse=True)


def _manifest(step: int, files: Mapping[str, bytes]) -> bytes:
    facts = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }
    return (json.dumps({"format": _FORMAT, "step": step, "files": facts}, indent=2) + "\n").encode()


def _listed(path: Path, step: int) -> dict[str, str]:
    """Name -> sha256 of each file. Raises `ModelFileError`."""
    try:
        manifest: Any = json.loads((path / MANIFEST).read_bytes())
        if manifest["format"] != _FORMAT:
            raise ModelFileError(f"{path}: checkpoint format {manifest['format']} is not known here")
        if manifest["step"] != step:
            raise ModelFileError(f"{path}: its manifest is of step {manifest['step']}")
        return {str(name): str(facts["sha256"]) for name, facts in manifest["files"].items()}
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: not whole (no {MANIFEST})") from error
    except OSError as error:
        raise ModelFileError(f"{path / MANIFEST}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError(f"{path / MANIFEST}: damaged") from error


def _read(path: Path, step: int) -> dict[str, bytes]:
    found = {}
    for name, digest in _listed(path, step).items():
        try:
            content = (path / name).read_bytes()
        except OSError as error:
            raise ModelFileError(f"{path / name}: cannot be read ({error.strerror})") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise ModelFileError(f"{path / name}: damaged (its sha256 is not that of the manifest)")
        found[name] = content
    return found


def _verify(path: Path) -> None:
    for name, digest in _listed(path, int(path.name)).items():
        if sha256_of(path / name) != digest:
            raise ModelFileError(f"{path / name}: the disk gives back other bytes than were written")


def _remove(path: Path) -> None:
    """The manifest first: what is left of an interrupted removal is no checkpoint."""
    (path / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    for part in folder.glob(".*.part"):
        shutil.rmtree(part, ignore_errors=True)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
