"""A picture inside a shard, by its place: nothing is ever unpacked."""

from __future__ import annotations

from dataclasses import dataclass, field

from lensmith.errors import DataError
from lensmith.shards.places import Facts, Place


@dataclass(frozen=True)
class Shard:
    """A tar file. name: in its place; facts: what it has to be like, or it is another one.

    sha256: of all of it, "" where nobody said.
    """

    place: Place
    name: str
    facts: Facts
    sha256: str = ""

    @property
    def identity(self) -> str:
        """What changes when its bytes do; the same wherever a copy lies, if its sha256 is known."""
        return self.sha256 or f"{self} {self.facts.size} {self.facts.version}"

    def read(self, start: int, size: int) -> bytes:
        """Some of its bytes. Raises `DataError` where it changed, is gone, or nobody answers."""
        content = self.place.read(self.name, start, size, self.facts)
        if len(content) != size:
            raise changed(
                self, f"ends after {start + len(content):,} bytes, and {start + size:,} are asked for"
            )
        return content

    def __str__(self) -> str:
        return self.place.called(self.name)


@dataclass(frozen=True)
class Member:
    """A file in a shard: `size` bytes from `offset`. path: where the picture lay before it came into a shard."""

    shard: Shard
    name: str
    offset: int
    size: int
    path: str = field(default="", compare=False)

    def read(self) -> bytes:
        """Its bytes. Raises `DataError`."""
        return self.shard.read(self.offset, self.size)

    def __str__(self) -> str:
        return f"{self.shard}!{self.name}"


def changed(shard: Shard, why: str) -> DataError:
    """A shard that is not the one that was looked at first: no picture of it is skipped, and none is guessed."""
    return DataError(
        f"{shard}: the shard changed ({why})",
        hint="Copy it again, or begin anew with the shards as they are now.",
    )
