"""What a compressed or plain tar unpacks to, as a file that is read forward only, within limits.

`tarfile` takes whatever size a header states, and goes back one byte after each member: in a compressed file that
could mean to unpack it all again.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_BLOCK = 512
_STEP = 1 << 18
_HEADERS = 1 << 20
"""Bytes that the headers of one member may take."""
_RATIO = 200
"""Pictures hardly shrink. What unpacks to more than so many times its size, and to more than `_FREE`, is a bomb."""
_FREE = 1 << 30
_MEMORY = 128 << 20
"""That xz may take: twice what its highest level asks for."""

Readable = IO[bytes] | gzip.GzipFile | bz2.BZ2File | io.BufferedReader


@contextlib.contextmanager
def open_unpacked(file: Path) -> Iterator[Unpacked]:
    """The tar inside a file, whatever it is compressed with. Raises `OSError`."""
    with file.open("rb") as raw:
        start = raw.read(6)
        raw.seek(0)
        size = file.stat().st_size
        with _opened(raw, start) as opened:
            yield Unpacked(opened, max(_FREE, _RATIO * size))


def _opened(raw: IO[bytes], start: bytes) -> Readable:
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=raw)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(raw)
    return io.BufferedReader(_Xz(raw)) if start == b"\xfd7zXZ\0" else raw


class Unpacked(io.RawIOBase):
    """Read forward; `seek` goes ahead, or back by the one byte that `tarfile` asks for again."""

    def __init__(self, inner: Readable, most: int) -> None:
        self._inner, self._most = inner, most
        self._place = 0
        self._last = b""
        self._again = False
        self._room: int | None = None

    @property
    def at_end(self) -> bool:
        """Whether what was read last is the empty block that ends a tar."""
        return self._last == bytes(_BLOCK)

    @contextlib.contextmanager
    def reading_headers(self) -> Iterator[None]:
        """Within it little may be read."""
        self._room = _HEADERS
        try:
            yield
        except (RecursionError, OverflowError) as error:  # headers of headers of headers
            raise OSError("its headers lead nowhere") from error
        finally:
            self._room = None

    def expect(self, end: int) -> None:
        """Refuse to go as far as this where so much cannot be pictures. Raises `OSError`."""
        if end > self._most:
            raise OSError(f"it would unpack to more than {self._most / 1e9:.3g} GB, far more than it holds")

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, which have to be asked for."""
        if self._again and size == 1:
            self._again = False
            return self._last[-1:]
        if self._room is not None:
            self._room -= size
        if size < 0 or self._again or (self._room is not None and self._room < 0):
            raise OSError("a header of it is far too long")
        parts = []
        while size and (part := self._inner.read(min(size, _STEP))):
            parts.append(part)
            size -= len(part)
        content = b"".join(parts)
        self._place += len(content)
        self._last = content or self._last[:0]
        return content

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """Go ahead to a place, by reading up to it."""
        if place == self._place - 1 and self._last:
            self._again = True
            return place
        self._again = False
        if whence != io.SEEK_SET or place < self._place:
            raise OSError("its members overlap")
        self.expect(place)
        while self._place < place:
            part = self._inner.read(min(place - self._place, _STEP))
            if not part:
                break
            self._place += len(part)
            self._last = part
        return self._place

    def tell(self) -> int:
        """The place of the next byte."""
        return self._place - self._again


class _Xz(io.RawIOBase):
    """As `lzma.open`, with a limit on memory."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._unpacking = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while True:
            if self._unpacking.eof:
                rest = self._unpacking.unused_data.lstrip(b"\0") or self._raw.read(_STEP).lstrip(b"\0")
                if not rest:
                    return 0
                self._unpacking = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
            else:
                rest = self._raw.read(_STEP) if self._unpacking.needs_input else b""
                if self._unpacking.needs_input and not rest:
                    raise EOFError("it is cut off")
            try:
                part = self._unpacking.decompress(rest, len(buffer))
            except lzma.LZMAError as error:
                raise OSError(str(error)) from error
            if part:
                buffer[: len(part)] = part
                return len(part)
