"""Shards in a folder of this machine."""

from __future__ import annotations

import os
from pathlib import Path

from lensmith.errors import DataError
from lensmith.shards.places import Facts


class Folder:
    """A folder; a file is read by system calls alone, so that forked processes may."""

    is_near = True

    def __init__(self, word: str) -> None:
        self._root = Path(word)

    def called(self, name: str) -> str:
        """Its path."""
        return str(self._root / name)

    def names(self) -> list[str]:
        """Files in it and one level below."""
        try:
            found = [path for path in self._root.glob("*") if path.is_file()]
            found += [path for path in self._root.glob("*/*") if path.is_file()]
        except OSError as error:
            raise DataError(f"{self._root}: cannot be opened ({error.strerror})") from error
        return sorted(path.relative_to(self._root).as_posix() for path in found)

    def facts(self, name: str) -> Facts:
        """Size and time."""
        try:
            told = (self._root / name).stat()
        except OSError as error:
            raise _gone(self.called(name), error) from error
        return Facts(told.st_size, str(told.st_mtime_ns))

    def read(self, name: str, start: int, size: int, facts: Facts) -> bytes:
        """Opened anew each time: descriptors are few, and the system remembers where files lie."""
        try:
            file = os.open(self._root / name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise _gone(self.called(name), error) from error
        try:
            told = os.fstat(file)
            if told.st_size != facts.size or (facts.version and str(told.st_mtime_ns) != facts.version):
                raise DataError(
                    f"{self.called(name)}: the shard changed ({told.st_size:,} bytes; it had {facts.size:,}, or was "
                    "written at another time)",
                    hint="Copy it again, or begin anew with the shards as they are now.",
                )
            return _read(file, start, size)
        except OSError as error:
            raise _gone(self.called(name), error) from error
        finally:
            os.close(file)

    def whole(self, name: str, most: int) -> bytes | None:
        """All of a file."""
        path = self._root / name
        try:
            if not path.is_file():
                return None
            if path.stat().st_size > most:
                raise DataError(f"{path}: more than {most:,} bytes")
            return path.read_bytes()
        except OSError as error:
            raise _gone(str(path), error) from error


def _read(file: int, start: int, size: int) -> bytes:
    os.lseek(file, start, os.SEEK_SET)
    parts = []
    while size and (part := os.read(file, size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _gone(name: str, error: OSError) -> DataError:
    return DataError(
        f"{name}: the shard cannot be read ({error.strerror or error})", hint="Is it still where it was?"
    )
