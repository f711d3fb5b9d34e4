"""The bytes of pictures' files, wherever those lie, checked against what is known of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from lensmith.pictures.decode import read_picture
from lensmith.shards.ahead import Ahead
from lensmith.shards.member import Member, changed

if TYPE_CHECKING:
    from lensmith.data.dataset import Example


def is_file(source: object) -> TypeGuard[Path | Member]:
    """Whether a picture lies in a file, its own or a shard, whose bytes say which picture it is."""
    return isinstance(source, Path | Member)


def is_near(source: object) -> TypeGuard[Path | Member]:
    """Whether it lies in a file that any process of this machine reads at once."""
    return isinstance(source, Path) or (isinstance(source, Member) and source.shard.place.is_near)


def content_of(source: Path | Member) -> bytes:
    """A picture's bytes. Raises `PictureError` for a file that cannot be opened, `DataError` for a shard."""
    return read_picture(source) if isinstance(source, Path) else source.read()


class Contents:
    """Asked about in the order of the examples, each once; those of far shards come ahead, many in a request.

    Each example learns its sha256. Raises `DataError` where a shard said another one before.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = examples
        members = [(at, one.source) for at, one in enumerate(examples) if isinstance(one.source, Member)]
        self._ahead = Ahead([member for _, member in members])
        self._place = {at: place for place, (at, _) in enumerate(members)} if members else {}

    def take(self, at: int) -> bytes | None:
        """The bytes; None of a picture that lies in no file. Raises `PictureError`, too."""
        example = self._examples[at]
        if isinstance(example.source, Path):
            content = read_picture(example.source)
            example.remember(hashlib.sha256(content).hexdigest())
            return content
        if not isinstance(example.source, Member):
            return None
        content = self._ahead.take(self._place[at])
        found = hashlib.sha256(content).hexdigest()
        if example.sha256 and found != example.sha256:
            raise changed(example.source.shard, f"{example.source.name} has another sha256 than it had")
        example.remember(found)
        return content

    def close(self) -> None:
        """No more is asked."""
        self._ahead.close()
