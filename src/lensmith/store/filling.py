"""Every picture of a data set, preprocessed, in blocks: what the store is filled with."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Generator
from pathlib import Path

import numpy as np
from PIL import Image

from lensmith.data.dataset import Example, ImageDataset
from lensmith.data.identity import Digests, pixels_id
from lensmith.errors import PictureError
from lensmith.machine.forked import FEWEST, can_fork, in_processes
from lensmith.machine.workers import in_parallel
from lensmith.pictures.decode import QUIET, Pixels, decode_image, read_file, read_picture
from lensmith.pictures.plain import Sheet, new_sheet
from lensmith.pictures.preprocess import Preprocess
from lensmith.store.room import Room
from lensmith.types import Event

_CHUNK = 64
"""Pictures in a block, at most, and how often progress is told."""
_BLOCK, _PLAIN_BLOCK = 2 << 20, 192 << 10
"""Bytes in a block, about: each thread holds one. What is larger than the second is given back to the system
each time, and asking for it again takes longer than filling it with plain pictures."""
_SMALL = 1 << 16
"""Bytes: a file that is shorter is read by one call."""
_SAMPLES = 16
"""Pictures that are looked at to know what the others will be like."""


def fill(
    room: Room, data: ImageDataset, preprocess: Preprocess, reasons: dict[int, str]
) -> Generator[Event, None, None]:
    """Decode every picture into its row of the room. `reasons` gets the rows of those that cannot be read,
    which then hold anything. On the way each example learns the sha256 of its picture.
    """
    height, width = preprocess.size
    plain = preprocess.resized_to(height, width) == (height, width) and _are_plain(data, (height, width))
    chunk = max(1, min(_CHUNK, (_PLAIN_BLOCK if plain else _BLOCK) // (3 * height * width)))
    rows = list(range(len(data)))
    if plain and room.is_shared and len(data) >= FEWEST and can_fork():
        rows = yield from _fill_plain(room, data, (height, width), chunk)

    def decode_part(part: range, left: threading.Event) -> None:
        block = np.zeros((len(part), height, width, 3), np.uint8)
        sheet = Sheet((height, width)) if plain else None
        with QUIET:
            for place, row in enumerate(rows[part.start : part.stop]):
                if left.is_set():
                    return
                try:
                    content = _content(data.examples[row])
                    if sheet is None or content is None or not sheet.take(content, place):
                        block[place] = _preprocessed(data, row, content, preprocess)
                except PictureError as error:
                    reasons[row] = error.reason
        if sheet is not None:
            sheet.copy_to(block)
        room.write(rows[part.start : part.stop], block)

    begun = len(data) - len(rows)
    for done in in_parallel(decode_part, len(rows), chunk):
        if begun + done < len(data):
            yield Event("decode", "pictures", begun + done, len(data))


def _are_plain(data: ImageDataset, size: tuple[int, int]) -> bool:
    """Whether most pictures are plain and of that size, by a few of them.

    Then they need no image and no array of their own. The files of others would be read twice.
    """
    sheet, taken = new_sheet(size), 0
    samples = data.examples[:: max(1, len(data) // _SAMPLES)]
    for source in (example.source for example in samples):
        if sheet is not None and isinstance(source, Path):
            with contextlib.suppress(PictureError):
                taken += sheet.take(read_picture(source), taken)
    return 0 < 2 * taken >= len(samples)


def _fill_plain(
    room: Room, data: ImageDataset, size: tuple[int, int], chunk: int
) -> Generator[Event, None, list[int]]:
    """Let processes take what is plain, of many pictures; returns the rows that are left."""
    digests = Digests(len(data))

    def take_part(part: range) -> None:
        sheet = Sheet(size)
        rows: list[int] = []
        found: list[bytes] = []
        for row in part:
            source = data.examples[row].source
            with contextlib.suppress(OSError, ValueError):
                content = read_file(source, _SMALL) if isinstance(source, Path) else b""
                if len(content) < _SMALL and sheet.take(content, len(rows)):  # then it is whole
                    rows.append(row)
                    found.append(hashlib.sha256(content).digest())
        block = np.zeros((len(rows), *size, 3), np.uint8)
        sheet.copy_to(block)
        room.write(rows, block)
        digests.tell(rows, found)

    for _ in in_processes(take_part, len(data), chunk):
        if digests.count() < len(data):
            yield Event("decode", "pictures", digests.count(), len(data))
    for row, sha256 in digests.known():
        data.examples[row].remember(sha256)
    return digests.missing()


def _content(example: Example) -> bytes | None:
    """The bytes of a picture that lies in a file."""
    if not isinstance(example.source, Path):
        return None
    content = read_picture(example.source)
    example.remember(hashlib.sha256(content).hexdigest())
    return content


def _preprocessed(data: ImageDataset, row: int, content: bytes | None, preprocess: Preprocess) -> Pixels:
    if content is None:
        pixels = data.pixels(row)
        data.examples[row].remember(pixels_id(pixels))
        return preprocess(pixels)
    image = decode_image(content, str(data.examples[row].source))
    # Resized before it becomes an array: as one, it would be carried over and back in full size.
    inner = preprocess.resized_to(image.height, image.width)
    if inner != (image.height, image.width):
        image = image.resize((inner[1], inner[0]), Image.Resampling[preprocess.interpolation.upper()])
    return preprocess(np.asarray(image))
