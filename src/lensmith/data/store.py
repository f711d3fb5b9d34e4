"""The store: pictures decoded once into a column of equal size, kept under a fingerprint of their files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from lensmith.data.cache import columns_folder, make_room
from lensmith.data.dataset import ImageDataset, Skipped
from lensmith.data.decode import Pixels
from lensmith.data.preprocess import Preprocess
from lensmith.errors import DataError, PictureError, UsageError
from lensmith.types import Event

_VERSION = 1
"""Raised when decoding or preprocessing changes a pixel."""
_CHUNK = 128


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
    cannot be written, nothing is kept. Raises `DataError` where no picture can be read.
    """
    folder = _folder_of(data, preprocess) if store else None
    kept = _read(folder) if folder else None
    if kept is not None:
        return kept
    column = yield from _decode(data, preprocess, folder)
    if not len(column.rows):
        first = column.skipped[0] if column.skipped else Skipped(data.name, "no pictures")
        raise DataError(
            f"{data.name}: no picture can be read", hint=f"The first, {first.file}: {first.reason}."
        )
    return column


def _folder_of(data: ImageDataset, preprocess: Preprocess) -> Path | None:
    """Named by what decides the pixels: each file's path, size and time, the preprocessing, both versions."""
    steps = json.dumps(preprocess.as_dict(), sort_keys=True)
    digest = hashlib.sha256(f"{_VERSION} {PIL.__version__} {steps}\n".encode())
    for example in data.examples:
        if not isinstance(example.source, Path):
            return None  # an own data set may give other pixels next time
        try:
            facts = example.source.stat()
        except OSError:
            return None
        digest.update(os.fsencode(example.source.absolute()))
        digest.update(f"\0{facts.st_size} {facts.st_mtime_ns}\n".encode())
    with contextlib.suppress(UsageError):
        return columns_folder() / digest.hexdigest()[:40]
    return None


def _read(folder: Path) -> Column | None:
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        shape = tuple(index["shape"])
        pixels = np.memmap(folder / "pixels.bin", np.uint8, "c", shape=shape)
        rows, skipped = np.array(index["rows"], np.int64), tuple(Skipped(**one) for one in index["skipped"])
        if len(rows) != len(pixels):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        shutil.rmtree(folder, ignore_errors=True)  # a damaged column would stand in the way of a whole one
        return None
    with contextlib.suppress(OSError):  # a cache that may only be read
        os.utime(folder / "index.json")
    return Column(pixels, rows, skipped, True)


def _decode(
    data: ImageDataset, preprocess: Preprocess, folder: Path | None
) -> Generator[Event, None, Column]:
    shape = (len(data), *preprocess.size, 3)
    with _place(folder, shape) as (pixels, place):
        reasons: dict[int, str] = {}
        yield from _fill(pixels, data, preprocess, reasons)
        rows = np.array([i for i in range(len(data)) if i not in reasons], np.int64)
        for to, row in enumerate(rows):
            if to != row:
                pixels[to] = pixels[row]
        skipped = tuple(
            Skipped(str(data.examples[i].source), reason) for i, reason in sorted(reasons.items())
        )
        if place is not None and folder is not None and len(rows):
            index: dict[str, Any] = {"shape": [len(rows), *shape[1:]], "rows": rows.tolist()}
            index["skipped"] = [{"file": s.file, "reason": s.reason} for s in skipped]
            # A full disk, a cleared cache, another process that was first: the pixels are here all the same.
            with contextlib.suppress(OSError):
                (place / "index.json").write_text(json.dumps(index), encoding="utf-8")
                place.rename(folder)
                make_room()
    return Column(pixels[: len(rows)], rows, skipped, False)


@contextlib.contextmanager
def _place(folder: Path | None, shape: tuple[int, ...]) -> Iterator[tuple[Pixels, Path | None]]:
    """Room for the pixels: a file beside `folder` where there is space on the disk, else memory."""
    place: Path | None = None
    pixels: Pixels
    try:
        if folder is None:
            raise OSError
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{folder.name[:8]}-", dir=folder.parent))
        _reserve(place / "pixels.bin", int(np.prod(shape)))
        pixels = np.memmap(place / "pixels.bin", np.uint8, "r+", shape=shape)
    except OSError:
        pixels = np.empty(shape, np.uint8)
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)
            place = None
    try:
        yield pixels, place
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)


def _reserve(path: Path, size: int) -> None:
    """Take the disk space now: a full disk under a memory map would kill the process."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        block = bytes(1 << 20)
        for start in range(0, size, len(block)):
            file.write(block[: size - start])


def _fill(
    pixels: Pixels, data: ImageDataset, preprocess: Preprocess, reasons: dict[int, str]
) -> Iterator[Event]:
    """Decode every picture into its row, several at a time (decoders release the interpreter)."""

    def decode_rows(start: int) -> None:
        for row in range(start, min(start + _CHUNK, len(data))):
            try:
                pixels[row] = preprocess(data.pixels(row))
            except PictureError as error:
                reasons[row] = error.reason

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        starts = range(0, len(data), _CHUNK)
        for start, _ in zip(starts, pool.map(decode_rows, starts), strict=True):
            done = min(start + _CHUNK, len(data))
            if done < len(data):
                yield Event("decode", "pictures", done, len(data))
