"""The store: pictures decoded once into a column of equal size, kept under a fingerprint of their files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from lensmith.data.cache import columns_folder, make_room
from lensmith.data.contents import is_file
from lensmith.data.dataset import ImageDataset, Skipped
from lensmith.data.identity import SIZE, Digests
from lensmith.errors import DataError, UsageError
from lensmith.machine.forked import FEWEST, can_fork, in_processes
from lensmith.pictures.decode import NO_MEMORY, NOT_OPENED, Pixels
from lensmith.pictures.preprocess import Preprocess
from lensmith.runs.files import write_bytes, write_text
from lensmith.shards.member import Member
from lensmith.store.filling import fill
from lensmith.store.room import DiskRoom, MemoryRoom, Room
from lensmith.store.turns import in_turn
from lensmith.types import Event

VERSION = 3
"""Raised when decoding or preprocessing changes a pixel, or a column holds other files."""

_ASKED = 2048
"""Files that are asked for their size and time in one go."""

_UNKNOWN = "00" * SIZE
"""In the place of a sha256: nobody could read the picture."""


@dataclass(frozen=True)
class Column:
    """Preprocessed pictures. pixels: uint8 [N, H, W, 3]; rows: int64 [N], the index of each in its data."""

    pixels: Pixels
    rows: NDArray[np.int64]
    skipped: tuple[Skipped, ...]
    from_store: bool

    def matching(self, data: ImageDataset) -> ImageDataset:
        """The data set without the pictures that could not be read, in the order of the column."""
        return data.with_examples([data.examples[int(row)] for row in self.rows])


def open_column(
    data: ImageDataset, preprocess: Preprocess, *, store: bool = True
) -> Generator[Event, None, Column]:
    """The column of a data set: from the cache folder where it lies there, else decoded now.

    A generator of progress; the column is what it returns. With `store=False`, or where the cache folder
    cannot be written, nothing is kept. The examples learn the sha256 of their pictures either way. Raises
    `DataError` where no picture can be read.
    """
    folder = _folder_of(data, preprocess) if store else None
    with in_turn(folder):
        return (yield from _opened(data, preprocess, folder))


def _opened(
    data: ImageDataset, preprocess: Preprocess, folder: Path | None
) -> Generator[Event, None, Column]:
    kept = _read(folder, data) if folder else None
    if kept is not None:
        return kept
    try:
        column = yield from _decode(data, preprocess, folder)
    except OSError:
        if folder is None:
            raise
        column = yield from _decode(data, preprocess, None)  # a disk that promised room and has none
    if not len(column.rows):
        first = column.skipped[0] if column.skipped else Skipped(data.name, "no pictures")
        raise DataError(
            f"{data.name}: no picture can be read", hint=f"The first, {first.file}: {first.reason}."
        )
    return column


def is_stored(data: ImageDataset, preprocess: Preprocess) -> bool:
    """Whether the column of a data set lies in the cache folder."""
    folder = _folder_of(data, preprocess)
    return folder is not None and (folder / "index.json").is_file()


def decode_column(data: ImageDataset, preprocess: Preprocess) -> Generator[Event, None, Column]:
    """The column of a data set, decoded now and kept nowhere; it is empty where no picture can be read."""
    return (yield from _decode(data, preprocess, None))


def _folder_of(data: ImageDataset, preprocess: Preprocess) -> Path | None:
    """Named by what decides the pixels: each file's path, size and times, the preprocessing, both versions."""
    sources = [example.source for example in data.examples]
    files = [source for source in sources if is_file(source)]
    if len(files) < len(sources):
        return None  # an own data set may give other pixels next time
    words = _words_of(files)
    if words is None:
        return None
    steps = json.dumps(preprocess.as_dict(), sort_keys=True)
    digest = hashlib.sha256(f"{VERSION} {PIL.__version__} {steps}\n{words}".encode())
    with contextlib.suppress(UsageError):
        return columns_folder() / digest.hexdigest()[:40]
    return None


def _words_of(files: Sequence[Path | Member]) -> str | None:
    """What changes when a file does; `None` where one cannot be asked. Many are asked by processes."""
    digests, here = Digests(-(-len(files) // _ASKED)), _here()

    def ask(parts: Iterable[int]) -> None:
        for part in parts:
            word = _asked(files[part * _ASKED : (part + 1) * _ASKED], here)
            if word is not None:
                digests.tell([part], [word])

    if len(files) >= FEWEST and can_fork():
        for _ in in_processes(ask, -(-len(files) // _ASKED), 1):
            pass
    ask(digests.missing())
    return None if digests.missing() else " ".join(word for _, word in digests.known())


def _asked(files: Sequence[Path | Member], here: str) -> bytes | None:
    """sha256 over paths, sizes and times, of members over shards and places; `None` where a file cannot be asked.

    Archives and copies set the time of writing as they like, so the system's own, of any change, counts too.
    """
    digest = hashlib.sha256()
    for file in files:
        if isinstance(file, Member):
            digest.update(os.fsencode(f"{file.shard.identity}\0{file.offset} {file.size}\n"))
            continue
        name = os.fspath(file)
        try:
            facts = os.stat(name)  # noqa: PTH116  # a third of the time of Path.stat
        except (OSError, ValueError):
            return None
        whole = name if name.startswith(os.sep) or file.is_absolute() else here + name
        digest.update(os.fsencode(f"{whole}\0{facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns}\n"))
    return digest.digest()


def _here() -> str:
    """What makes a relative path absolute, found once: for each file it would take half of all the time."""
    try:
        return f"{Path.cwd()}{os.sep}"
    except FileNotFoundError:  # deleted under our feet; then only absolute paths lead anywhere
        return ""


def _read(folder: Path, data: ImageDataset) -> Column | None:
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        shape = tuple(index["shape"])
        pixels = np.memmap(folder / "pixels.bin", np.uint8, "c", shape=shape)
        rows, skipped = np.array(index["rows"], np.int64), tuple(Skipped(**one) for one in index["skipped"])
        known = (folder / "sha256.bin").read_bytes()
        if len(rows) != len(pixels) or len(known) != SIZE * len(data) or any(map(_may_be_read, skipped)):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        # One that is damaged, or lacks what can be read again, would stand in the way of a whole one.
        shutil.rmtree(folder, ignore_errors=True)
        return None
    words = known.hex()
    for at, example in enumerate(data.examples):
        word = words[2 * SIZE * at : 2 * SIZE * (at + 1)]
        if word != _UNKNOWN:
            example.remember(word)
    with contextlib.suppress(OSError):  # a cache that may only be read
        os.utime(folder / "index.json")
    return Column(pixels, rows, skipped, True)


def _may_be_read(one: Skipped) -> bool:
    """Whether a file may be read now that could not be opened, or for which there was no memory."""
    if not one.reason.startswith(NOT_OPENED):
        return one.reason.startswith(NO_MEMORY)
    try:
        Path(one.file).open("rb").close()
    except OSError:
        return False
    return True


def _decode(
    data: ImageDataset, preprocess: Preprocess, folder: Path | None
) -> Generator[Event, None, Column]:
    reasons: dict[int, str] = {}
    with _place(folder, (len(data), *preprocess.size, 3)) as (room, place):
        with contextlib.closing(fill(room, data, preprocess, reasons)) as going:
            for event in going:
                room.sync_some(event.done)
                yield event
        rows = np.array([i for i in range(len(data)) if i not in reasons], np.int64)
        skipped = tuple(
            Skipped(str(data.examples[i].source), reason) for i, reason in sorted(reasons.items())
        )
        room.keep(rows)
        column = Column(room.pixels(), rows, skipped, False)
        if isinstance(room, DiskRoom) and place is not None and folder is not None and len(rows):
            # A full disk, a cleared cache, another process that was first: the pixels are here all the same.
            with contextlib.suppress(OSError):
                room.sync()
                _write_facts(place, data, column)
                place.rename(folder)
                make_room()
    return column


def _write_facts(place: Path, data: ImageDataset, column: Column) -> None:
    """What is known of the pixels, on the disk after them."""
    words = "".join([example.sha256 or _UNKNOWN for example in data.examples])
    write_bytes(place / "sha256.bin", bytes.fromhex(words))
    index: dict[str, Any] = {"shape": column.pixels.shape, "rows": column.rows.tolist()}
    index["skipped"] = [{"file": s.file, "reason": s.reason} for s in column.skipped]
    write_text(place / "index.json", json.dumps(index))


@contextlib.contextmanager
def _place(folder: Path | None, shape: tuple[int, ...]) -> Iterator[tuple[Room, Path | None]]:
    """Room for the pixels: a file beside `folder` where there is space on the disk, else memory."""
    place: Path | None = None
    room: Room
    try:
        if folder is None:
            raise OSError
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{folder.name[:8]}-", dir=folder.parent))
        room = DiskRoom(place / "pixels.bin", shape)
    except OSError:
        room = MemoryRoom(shape)
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)
            place = None
    try:
        yield room, place
    finally:
        if isinstance(room, DiskRoom):
            room.close()
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)
