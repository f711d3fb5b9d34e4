"""What the deep look keeps of each picture: a thumbnail, its size and mode, its pixels' sha256, a few measures.

Every picture is decoded once and let go of. On Linux thousands are taken by forked processes, which write into
memory that they share; what they leave undone, and what cannot be read, threads do.
"""

from __future__ import annotations

import contextlib
import mmap
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lensmith.audit.measures import MEASURES, measure
from lensmith.data.contents import Contents, content_of, is_file, is_near
from lensmith.data.dataset import ImageDataset, Skipped
from lensmith.data.identity import Digests, pixels_id
from lensmith.errors import PictureError
from lensmith.machine.forked import FEWEST, can_fork, in_processes
from lensmith.machine.workers import in_parallel
from lensmith.pictures.decode import QUIET, Pixels, decode_with_mode
from lensmith.types import Event

SMALL, LARGE = 32, 64
"""Sides of thumbnails: for pictures of about 32 x 32 pixels, and for others."""
_SAMPLES = 16
_CHUNK = 32
_OWN = "own"
"""In the place of a mode: the picture comes from a data set of somebody's own."""
_MODES = ("RGB", "L", "P", "RGBA", "LA", "CMYK", "1", "I;16", "I", "F", "YCbCr", "LAB", "PA", _OWN, "other")


@dataclass(frozen=True)
class Signatures:
    """Of the N pictures that can be read.

    rows: int64 [N], the index of each in its data, ascending; thumbs: uint8 [N, S, S, 3], the whole picture made
    square; sizes: int32 [N, 2], height and width; modes: Pillow's name for each; identities: sha256 of the
    decoded pixels; measures: float32 [N, len(MEASURES)].
    """

    rows: NDArray[np.int64]
    thumbs: Pixels
    sizes: NDArray[np.int32]
    modes: list[str]
    identities: list[str]
    measures: NDArray[np.float32]
    skipped: tuple[Skipped, ...]

    def part(self, places: NDArray[np.intp]) -> Signatures:
        """Some of the pictures; none is copied where all are wanted."""
        if len(places) == len(self.rows):
            return self
        return Signatures(
            self.rows[places],
            self.thumbs[places],
            self.sizes[places],
            [self.modes[place] for place in places.tolist()],
            [self.identities[place] for place in places.tolist()],
            self.measures[places],
            self.skipped,
        )


def take_signatures(data: ImageDataset) -> Generator[Event, None, Signatures]:
    """Decode every picture once. A generator of progress; the signatures are what it returns."""
    count = len(data)
    table = _Table(count, _side_for(data))
    reasons: dict[int, str] = {}
    if count >= FEWEST and can_fork():
        yield from _by_processes(data, table)
    rows = table.digests.missing()
    contents = Contents(data.examples)

    def take_part(part: range, left: threading.Event) -> None:
        with QUIET:
            for row in rows[part.start : part.stop]:
                if left.is_set():
                    return
                try:
                    table.take(row, data, contents.take(row))
                except PictureError as error:
                    reasons[row] = error.reason

    begun = count - len(rows)
    with contextlib.closing(contents):
        for done in in_parallel(take_part, len(rows), _CHUNK):
            if begun + done < count:
                yield Event("look", "pictures", begun + done, count)
    return table.signatures(data, reasons)


def _by_processes(data: ImageDataset, table: _Table) -> Generator[Event, None, None]:
    def take_part(part: range) -> None:
        with QUIET:
            for row in part:
                if is_near(data.examples[row].source):
                    with contextlib.suppress(PictureError):
                        table.take(row, data)

    for _ in in_processes(take_part, len(data), _CHUNK):
        if table.digests.count() < len(data):
            yield Event("look", "pictures", table.digests.count(), len(data))


class _Table:
    """A row for each picture, in memory that forked processes share."""

    def __init__(self, count: int, side: int) -> None:
        self._side = side
        self._thumbs = _shared((count, side, side, 3), np.uint8)
        self._sizes = _shared((count, 2), np.int32)
        self._modes = _shared((count,), np.uint8)
        self._measures = _shared((count, len(MEASURES)), np.float32)
        self.digests = Digests(count)

    def take(self, row: int, data: ImageDataset, content: bytes | None = None) -> None:
        """Fill a row. content: of the picture's file, where it is at hand. Raises `PictureError`."""
        image, mode = picture_of(data, row, content)
        self._sizes[row] = image.height, image.width
        self._modes[row] = _MODES.index(mode if mode in _MODES else "other")
        self._measures[row] = measure(image)
        self._thumbs[row] = thumbnail(image, self._side)
        self.digests.tell([row], [bytes.fromhex(pixels_id(np.asarray(image)))])

    def signatures(self, data: ImageDataset, reasons: dict[int, str]) -> Signatures:
        """What was taken, without the rows that cannot be read."""
        known = list(self.digests.known())
        rows = np.array([row for row, _ in known], np.int64)
        whole = len(rows) == len(self._modes)  # then nothing has to be copied
        return Signatures(
            rows,
            self._thumbs if whole else self._thumbs[rows],
            self._sizes[rows],
            [_MODES[mode] for mode in self._modes[rows].tolist()],
            [identity for _, identity in known],
            self._measures[rows],
            tuple(Skipped(str(data.examples[row].source), why) for row, why in sorted(reasons.items())),
        )


def thumbnail(image: Image.Image, side: int) -> Pixels:
    """The whole picture made square: uint8 [side, side, 3]."""
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(image)


def picture_of(data: ImageDataset, row: int, content: bytes | None = None) -> tuple[Image.Image, str]:
    """A picture, upright and RGB, and the mode that it has in its file. content: of that, where it is at hand.

    Raises `PictureError`.
    """
    source = data.examples[row].source
    if is_file(source):
        return decode_with_mode(content_of(source) if content is None else content, str(source))
    return Image.fromarray(data.pixels(row)), _OWN


def _side_for(data: ImageDataset) -> int:
    """The thumbnails' side, by a few pictures."""
    sides = []
    for row in range(0, len(data), max(1, len(data) // _SAMPLES)):
        with contextlib.suppress(PictureError):
            sides.append(min(picture_of(data, row)[0].size))
    return SMALL if sides and np.median(sides) <= 1.25 * SMALL else LARGE


def _shared(shape: tuple[int, ...], kind: type[Any]) -> NDArray[Any]:
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    return np.frombuffer(mmap.mmap(-1, max(1, size)), kind, count=int(np.prod(shape))).reshape(shape)
