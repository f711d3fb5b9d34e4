"""Every picture of a data set, preprocessed, in blocks: what the store is filled with."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Generator
from pathlib import Path

import numpy as np

from lensmith.data.contents import Contents
from lensmith.data.dataset import Example, ImageDataset
from lensmith.data.decoding import Decoder
from lensmith.data.identity import Digests
from lensmith.errors import DataError
from lensmith.machine.forked import FEWEST, can_fork, in_processes
from lensmith.machine.workers import in_parallel
from lensmith.pictures.decode import read_file
from lensmith.pictures.plain import Sheet
from lensmith.pictures.preprocess import Preprocess
from lensmith.shards.member import Member
from lensmith.store.room import Room
from lensmith.types import Event

_CHUNK = 64
"""Pictures in a block, at most, and how often progress is told."""
_BLOCK, _PLAIN_BLOCK = 2 << 20, 192 << 10
"""Bytes in a block, about: each thread holds one. What is larger than the second is given back to the system
each time, and asking for it again takes longer than filling it with plain pictures."""
_SMALL = 1 << 16
"""Bytes: a file that is shorter is read by one call."""


def fill(
    room: Room, data: ImageDataset, preprocess: Preprocess, reasons: dict[int, str]
) -> Generator[Event, None, None]:
    """Decode every picture into its row of the room. `reasons` gets the rows of those that cannot be read,
    which then hold anything. On the way each example learns the sha256 of its picture.
    """
    height, width = preprocess.size
    decoder = Decoder(data, preprocess)
    chunk = max(1, min(_CHUNK, (_PLAIN_BLOCK if decoder.plain else _BLOCK) // (3 * height * width)))
    rows = list(range(len(data)))
    if decoder.plain and room.is_shared and len(data) >= FEWEST and can_fork():
        rows = yield from _fill_plain(room, data, (height, width), chunk)
    contents = Contents(data.examples)

    def decode_part(part: range, left: threading.Event) -> None:
        taken = rows[part.start : part.stop]
        decoded = decoder.block(taken, contents.take, left)
        if decoded is not None:
            reasons.update(decoded[1])
            room.write(taken, decoded[0])

    begun = len(data) - len(rows)
    with contextlib.closing(contents):
        for done in in_parallel(decode_part, len(rows), chunk):
            if begun + done < len(data):
                yield Event("decode", "pictures", begun + done, len(data))


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
            with contextlib.suppress(OSError, ValueError, DataError):
                content = _small_content(data.examples[row])
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
    left = digests.missing()
    for row, sha256 in digests.known():
        example = data.examples[row]
        if example.sha256 in ("", sha256) or isinstance(example.source, Path):
            example.remember(sha256)
        else:
            left.append(row)  # which the threads refuse, with the reason
    return sorted(left)


def _small_content(example: Example) -> bytes:
    """The bytes of a small file; nothing of what lies in none, or is large."""
    source = example.source
    if isinstance(source, Path):
        return read_file(source, _SMALL)
    if isinstance(source, Member) and source.size < _SMALL and source.shard.place.is_near:
        return source.read()
    return b""
