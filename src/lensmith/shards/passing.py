"""One pass through the headers of a tar: what lies in it and where, with nothing unpacked.

`tarfile` knows the dialects of headers; what it may read is limited here, since it takes any size that they state.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from lensmith.shards.member import Shard

_NEAR, _FAR = 1 << 16, 1 << 20
"""Bytes asked for at once: of a file that lies here, and of one that lies far away."""
_HEADERS = 1 << 20
"""Bytes that the headers of one member may take."""
_END = bytes(512)
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True)
class Found:
    """A member of a tar, and why it cannot be used; "" where it can. Of the tar itself, name is ""."""

    name: str
    offset: int = 0
    size: int = 0
    trouble: str = ""


class Passing(io.RawIOBase):
    """A shard read forward, block by block; what is passed over is not read."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._step = _NEAR if shard.place.is_near else _FAR
        self._block, self._start = b"", 0
        self._at = 0
        self._room = _HEADERS

    def members(self) -> Iterator[Found]:
        """Everything in it but folders, in its order; what is damaged ends it, with the reason. Raises `DataError`
        where it cannot be reached."""
        start = self.content(0, min(6, self._shard.facts.size))
        for magic, kind in _COMPRESSED.items():
            if start.startswith(magic):
                yield Found("", trouble=f"compressed ({kind}): pictures in it have no place; unpack it first")
                return
        try:
            yield from self._found()
        except (OSError, EOFError, ValueError, OverflowError, RecursionError, tarfile.TarError) as error:
            yield Found("", trouble=f"cannot be read any further as a tar ({error})")

    def content(self, offset: int, size: int) -> bytes:
        """Some bytes, out of the block that is at hand where they lie in it."""
        if offset < self._start or offset + size > self._start + len(self._block):
            last = min(self._shard.facts.size, offset + max(size, self._step))
            self._block, self._start = self._shard.read(offset, max(0, last - offset)), offset
        return self._block[offset - self._start : offset - self._start + size]

    def _found(self) -> Iterator[Found]:
        size = self._shard.facts.size
        archive = tarfile.open(fileobj=self, mode="r:")  # noqa: SIM115  # it has nothing to close
        while True:
            self._room = _HEADERS
            archive.members = []  # type: ignore[attr-defined]  # else it keeps them all
            member = archive.next()
            if member is None:
                break
            if member.offset_data + member.size > size:
                raise OSError(f"{member.name} is cut off after {size - member.offset_data:,} bytes")
            if not member.isdir():
                yield Found(member.name, member.offset_data, member.size, _trouble(member))
        if self.content(archive.offset, min(512, max(0, size - archive.offset))) != _END:
            raise OSError("it lacks the end of a tar")

    def readable(self) -> bool:
        """For `tarfile`."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, of which a header takes few. Raises `OSError`."""
        self._room -= size
        if size < 0 or self._room < 0:
            raise OSError("a header of it is far too long")
        part = self.content(self._at, max(0, min(size, self._shard.facts.size - self._at)))
        self._at += len(part)
        return part

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """Go ahead; back by one byte at most. Raises `OSError`."""
        if whence != io.SEEK_SET or place < self._at - 1:
            raise OSError("its members overlap")
        self._at = place
        return place

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at


def _trouble(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return f"a link to {member.linkname}, which is not followed in a tar"
    if not member.isreg() or member.issparse():
        return "not an ordinary file in the tar"
    parts = member.name.replace("\\", "/").split("/")
    return "its name leads out of the tar" if ".." in parts or member.name.startswith(("/", "\\")) else ""
