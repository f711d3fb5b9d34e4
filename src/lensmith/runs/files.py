"""Files that are either whole or not there: written beside, fsynced, renamed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from lensmith.errors import DataError


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """An empty neighbour of `path`, to be filled; it takes the name `path` when the block ends well.

    Else it goes, and the folders that were made for it.
    """
    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a neighbour of `path` for writing; it takes the name `path` when the block ends well."""
    with beside(path) as temporary, temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    write_bytes(path, _utf8(json.dumps(value, indent=2, ensure_ascii=False) + "\n"))


def read_json(path: Path) -> Any:
    """Read a JSON file; a file that is not JSON is a `DataError` that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error


def append_json_line(path: Path, value: Any) -> None:
    """Add one JSON object as a line, in a single write. A last line that was cut off is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = _utf8(json.dumps(value, ensure_ascii=False) + "\n")
    with path.open("a+b", buffering=0) as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)


def read_json_lines(path: Path) -> list[Any]:
    """The objects of a JSON Lines file; a last line that was cut off is left out."""
    if not path.exists():
        return []
    values = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            values.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    return values


def _utf8(text: str) -> bytes:
    """Names of files that are not UTF-8 come as lone surrogates, which JSON can write as escapes."""
    return text.encode("utf-8", "backslashreplace")


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename itself survive a power cut, where the system has a way (Windows has none)."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # some network file systems refuse it for folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
