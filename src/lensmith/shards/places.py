"""Where shards lie: a folder here, behind http, or in what fsspec opens (s3://, gs://, ...)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True)
class Facts:
    """What tells a shard from another of its name. size: in bytes; version: of what the server or disk says, "" where
    it says nothing that lasts, or where the sha256 of its pictures is known."""

    size: int
    version: str = ""


class Place(Protocol):
    """Three kinds are here: `shards.folder.Folder`, `shards.web.Web` and `shards.stores.Store`."""

    is_near: bool
    """Whether reading costs no journey: then nothing is read ahead, and any process may read."""

    def called(self, name: str) -> str:
        """A file of it in words that find it again."""
        ...

    def names(self) -> list[str] | None:
        """The files in it and in the folders of it, with `/`, sorted; None where nobody tells."""
        ...

    def facts(self, name: str) -> Facts:
        """What a file is like now. Raises `DataError`."""
        ...

    def read(self, name: str, start: int, size: int, facts: Facts) -> bytes:
        """Bytes of a file, fewer where it ends. Raises `DataError` where it is not as `facts` say, or not there."""
        ...

    def whole(self, name: str, most: int) -> bytes | None:
        """All of a small file; None where there is none. Raises `DataError`."""
        ...


def is_remote(word: str) -> bool:
    """Whether a word names something that is no file of this machine."""
    return _SCHEME.match(word) is not None


def place_of(word: str) -> Place:
    """The place that a word names. Raises `MachineError` where a package is missing."""
    if not is_remote(word):
        from lensmith.shards.folder import Folder

        return Folder(word)
    if word.lower().startswith(("http://", "https://")):
        from lensmith.shards.web import Web

        return Web(word)
    from lensmith.shards.stores import open_store

    return open_store(word)
