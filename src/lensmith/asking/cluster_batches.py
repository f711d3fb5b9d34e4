"""What goes to the machines of a cluster and comes back: tables of one row, whose columns are lists.

One row, since Ray Data cuts tables where their bytes are too many. A task that is done again has to give the same
tables in the same order, whatever could be read this time; so they are cut by the count of pictures.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from lensmith.data.listing import Archive, Shards
from lensmith.data.sharded import called, shards_in
from lensmith.errors import DataError, PictureError
from lensmith.pictures.asked import Asked, OnTheWeb, unreadable
from lensmith.shards.places import is_remote

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["file", "archive", "shard", "typed", "linked", "content", "fault"]
"""A path of one picture or of many, a URL that was typed or comes from a table, bytes, or why there are none."""
Item = TypeVar("Item")
_PLACES = ("name", "kind", "place", "shard", "reason", "hint", "content")
_LINES = ("line", "name", "reason", "hint")


@dataclass(frozen=True)
class Place:
    """Where the bytes of a picture, or of many, come from, for a machine that may stand elsewhere.

    name: as in the answers; place: an absolute path, a URL, or the word for shards, of which `shard` is the one.
    reason: why there are no bytes.
    """

    name: str
    kind: Kind
    place: str = ""
    shard: str = ""
    reason: str = ""
    hint: str = ""
    content: bytes | None = None

    @property
    def holds_many(self) -> bool:
        """Whether nobody knows how many pictures it is."""
        return self.kind in ("archive", "shard")

    @property
    def is_local(self) -> bool:
        """Whether only a machine with the same files can read it."""
        return self.kind in ("file", "archive") or (self.kind == "shard" and not is_remote(self.place))


@dataclass(frozen=True)
class Part:
    """Of the pictures of batch `number` those of part `part`; `last` where no more come."""

    number: int
    part: int
    last: bool


def places_of(found: Asked | Archive | Shards) -> Iterator[Place]:
    """What is listed here, as other machines need it."""
    if isinstance(found, Shards):
        yield from _places_of(found)
    elif isinstance(found, Archive):
        yield Place(str(found.path), "archive", _absolute(found.path))
    elif found.path is not None:
        yield Place(found.name, "file", _absolute(found.path))
    elif isinstance(found.source, OnTheWeb):
        yield Place(found.name, "typed" if found.source.typed else "linked", found.source.url)
    else:
        yield read_place(found)


def _places_of(shards: Shards) -> Iterator[Place]:
    word = shards.word if is_remote(shards.word) else _absolute(shards.word)
    try:
        for shard, name in shards_in(shards.word).items():
            yield Place(name, "shard", word, shard)
    except DataError:
        yield from (read_place(fault) for fault in shards.pictures())


def read_place(asked: Asked, whole: str = "") -> Place:
    """A picture whose bytes are read here. whole: its name with an absolute path, where it is one of many."""
    try:
        return Place(asked.name, "content", whole, content=asked.content())
    except PictureError as error:
        return Place(asked.name, "fault", whole, reason=error.reason, hint=error.hint)


def pictures_at(place: Place) -> Iterator[tuple[Asked, str]]:
    """Pictures under their names in the answers; and, of one of many, its name with an absolute path."""
    name, content = place.name, place.content
    if place.holds_many:
        opened = Shards(place.place, place.shard) if place.shard else Archive(Path(place.place))
        whole = called(place.place, place.shard) if place.shard else place.place
        for asked in opened.pictures():
            yield replace(asked, name=name + asked.name.removeprefix(whole)), asked.name
    elif place.kind == "file":
        yield Asked(name, Path(place.place)), ""
    elif place.kind == "fault":
        yield unreadable(name, place.reason, place.hint), place.place
    elif content is not None:
        yield Asked(name, lambda: content), place.place
    else:
        yield Asked(name, OnTheWeb(place.place, typed=place.kind == "typed")), ""


def _absolute(path: str | Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100  # there may be a million, and links stay links


def in_parts(number: int, items: Iterable[Item], most: int) -> Iterator[tuple[Part, list[Item]]]:
    """Lists of `most`, the last one shorter; at least one, though it may be empty."""
    waiting: list[Item] = []
    part = 0
    for item in items:
        if len(waiting) == most:
            yield Part(number, part, last=False), waiting
            waiting, part = [], part + 1
        waiting.append(item)
    yield Part(number, part, last=True), waiting


def places_table(part: Part, places: Iterable[Place], *, read: bool) -> pa.Table:
    """read: whether they are read already, so that their answers are one table too."""
    return _table(
        part, _PLACES, [[_cell(getattr(one, name)) for name in _PLACES] for one in places], read=read
    )


def places_in(table: pa.Table) -> tuple[Part, list[Place], bool]:
    """What `places_table` was made of."""
    row = table.to_pylist()[0]
    places = [
        Place(*(_text(cell) for cell in cells[:-1]), cells[-1])  # type: ignore[arg-type, call-arg]
        for cells in zip(*(row[name] for name in _PLACES), strict=True)
    ]
    return Part(row["number"], row["part"], row["last"]), places, row["read"]


@dataclass(frozen=True)
class Line:
    """An answer as its line of the file. reason: why there is no answer; "" where there is one."""

    line: bytes
    name: str
    reason: str = ""
    hint: str = ""


def lines_table(part: Part, lines: Iterable[Line]) -> pa.Table:
    """Answers on their way back."""
    return _table(part, _LINES, [[_cell(getattr(one, name)) for name in _LINES] for one in lines])


def lines_in(table: pa.Table) -> tuple[Part, list[Line]]:
    """What `lines_table` was made of."""
    row = table.to_pylist()[0]
    lines = [
        Line(cells[0], *(_text(cell) for cell in cells[1:]))
        for cells in zip(*(row[name] for name in _LINES), strict=True)
    ]
    return Part(row["number"], row["part"], row["last"]), lines


def _table(part: Part, names: Sequence[str], rows: list[list[bytes | None]], **more: bool) -> pa.Table:
    import pyarrow as pa

    binary = pa.list_(pa.large_binary())
    columns = {name: pa.array([[row[at] for row in rows]], binary) for at, name in enumerate(names)}
    columns["number"] = pa.array([part.number], pa.int64())
    columns["part"] = pa.array([part.part], pa.int64())
    columns["last"] = pa.array([part.last])
    return pa.table({**columns, **{name: pa.array([given]) for name, given in more.items()}})


def _cell(value: str | bytes | None) -> bytes | None:
    """A name of bytes that are no text holds lone surrogates, which no column of texts takes."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogatepass")
