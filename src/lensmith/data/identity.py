"""What identifies a picture: the sha256 of its file, or of its pixels where it has no file."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lensmith.data.contents import Contents, content_of, is_near
from lensmith.errors import DataError
from lensmith.machine.forked import FEWEST, can_fork, in_processes
from lensmith.machine.workers import in_parallel
from lensmith.pictures.decode import Pixels
from lensmith.shards.member import Member

if TYPE_CHECKING:
    from lensmith.data.dataset import Example

SIZE = 32
"""Bytes of a sha256."""
_CHUNK = 64
"""Pictures that are identified in one go."""


class Digests:
    """Memory in which forked processes tell the sha256 of rows they are done with."""

    def __init__(self, count: int) -> None:
        shared = np.frombuffer(mmap.mmap(-1, count * (1 + SIZE)), np.uint8)
        self._done, self._told = shared[:count], shared[count:].reshape(count, SIZE)

    def tell(self, rows: Sequence[int], digests: Sequence[bytes]) -> None:
        """These rows are done, and whatever of them was to be written is written."""
        if rows:
            self._told[rows] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, SIZE)
            self._done[rows] = 1

    def count(self) -> int:
        """How many rows are done."""
        return int(np.count_nonzero(self._done))

    def known(self) -> Iterator[tuple[int, str]]:
        """The rows that are done, each with its sha256."""
        words = self._told.tobytes().hex()
        for row in np.flatnonzero(self._done).tolist():
            yield row, words[2 * SIZE * row : 2 * SIZE * (row + 1)]

    def missing(self) -> list[int]:
        """The other rows."""
        return np.flatnonzero(self._done == 0).tolist()


def identify(examples: Sequence[Example], id_of: Callable[[Example], str]) -> None:
    """Let each example know its sha256, by `id_of` where it lies in no file that can be read."""
    if len(examples) >= FEWEST and can_fork():
        examples = _identify_files(examples)

    contents = Contents(examples)

    def identify_part(part: range, left: threading.Event) -> None:
        for at in part:
            if left.is_set():
                return
            if isinstance(examples[at].source, Member):
                contents.take(at)
            else:
                examples[at].remember(id_of(examples[at]))

    with contextlib.closing(contents):
        for _ in in_parallel(identify_part, len(examples), _CHUNK):
            pass


def _identify_files(examples: Sequence[Example]) -> Sequence[Example]:
    """Many small files by processes; returns those that are left."""
    digests = Digests(len(examples))

    def identify_part(part: range) -> None:
        rows, found = [], []
        for row in part:
            source = examples[row].source
            with contextlib.suppress(OSError, ValueError, DataError):  # the threads will say what it is
                if is_near(source):
                    found.append(hashlib.sha256(content_of(source)).digest())
                    rows.append(row)
        digests.tell(rows, found)

    for _ in in_processes(identify_part, len(examples), _CHUNK):
        pass
    for row, sha256 in digests.known():
        examples[row].remember(sha256)
    return [examples[row] for row in digests.missing()]


def pixels_id(pixels: Pixels) -> str:
    """sha256 of a picture's shape and pixels."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()
