"""Room for a column while it is filled: a file that takes its whole size at once, or memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lensmith.pictures.decode import Pixels

_MOVED = 64
"""Pictures moved at once when gaps are closed."""
_SYNCED = 32 << 20
"""Bytes after which what was written is sent to the disk."""


class MemoryRoom:
    """Rows of uint8 in memory; shape: [N, H, W, 3]."""

    is_shared = False
    """Whether what a forked process writes is seen here."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._pixels = np.empty(shape, np.uint8)

    def write(self, rows: Sequence[int], block: Pixels) -> None:
        """Take pictures for these rows, which ascend; any thread, any order."""
        for start, part in _runs(rows, block):
            self._pixels[start : start + len(part)] = part

    def sync_some(self, done: int) -> None:
        """Nothing: memory is not meant to last."""

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Keep these rows, moved together, and drop the others."""
        _close_gaps(self._pixels, rows)
        self._pixels = self._pixels[: len(rows)]

    def pixels(self) -> Pixels:
        """What was kept, which may be written over."""
        return self._pixels


class DiskRoom:
    """The same in a file. Written to as a file and not through a map of it, whose pages would count as
    memory of this process, however large the column."""

    is_shared = hasattr(os, "pwrite")

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._row = int(np.prod(shape[1:]))
        self._turn = threading.Lock()
        self._sent = 0
        self._syncing = ThreadPoolExecutor(1)
        self._synced: list[Future[None]] = []
        self._file = path.open("w+b", buffering=0)
        try:
            self._reserve(shape[0] * self._row)
        except OSError:
            self._file.close()
            raise

    def write(self, rows: Sequence[int], block: Pixels) -> None:
        """Take pictures for these rows, which ascend; any thread or forked process, any order."""
        for start, part in _runs(rows, block):
            left, at = part.data.cast("B"), start * self._row
            while left:
                written = self._write_at(at, left)
                left, at = left[written:], at + written

    def sync_some(self, done: int) -> None:
        """Send to the disk what was written, where that is much more than the last time; waits for nothing."""
        if (done - self._sent) * self._row >= _SYNCED:
            self._sent = done
            self._synced.append(self._syncing.submit(os.fsync, self._file.fileno()))

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Keep these rows, moved together, and drop the others."""
        if len(rows) < self._shape[0]:
            _close_gaps(np.memmap(self._file, np.uint8, "r+", shape=self._shape), rows)
            self._shape = (len(rows), *self._shape[1:])
            self._file.truncate(len(rows) * self._row)

    def sync(self) -> None:
        """Return when the pixels would outlast a power cut. Most are on the disk by then: they were sent there
        while others were decoded. Raises `OSError` where the disk did not take them."""
        for earlier in self._synced:
            earlier.result()  # a failure is told once
        os.fsync(self._file.fileno())

    def pixels(self) -> Pixels:
        """What was kept; written over, it changes here and not in the file."""
        if not self._shape[0]:
            return np.empty(self._shape, np.uint8)
        return np.memmap(self._file, np.uint8, "c", shape=self._shape)

    def close(self) -> None:
        """Let go of the file; pixels that were given out stay."""
        self._syncing.shutdown(cancel_futures=True)
        self._file.close()

    def _write_at(self, at: int, data: memoryview) -> int:
        if hasattr(os, "pwrite"):
            return os.pwrite(self._file.fileno(), data, at)
        with self._turn:
            self._file.seek(at)
            return self._file.write(data)

    def _reserve(self, size: int) -> None:
        """Take the disk space now, so that a full disk is found before the work is done."""
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file.fileno(), 0, size)
            return
        block = bytes(1 << 20)
        for start in range(0, size, len(block)):
            self._file.write(block[: size - start])


Room = MemoryRoom | DiskRoom


def _runs(rows: Sequence[int], block: Pixels) -> Iterator[tuple[int, Pixels]]:
    """The parts of a block whose rows follow one another, each with its first row."""
    begin = 0
    for at in range(1, len(rows) + 1):
        if at == len(rows) or rows[at] != rows[at - 1] + 1:
            yield rows[begin], block[begin:at]
            begin = at


def _close_gaps(pixels: Pixels, rows: NDArray[np.int64]) -> None:
    """Move the given rows, which ascend, to the front."""
    for to in range(0, len(rows), _MOVED):
        moved = rows[to : to + _MOVED]
        if moved[-1] != to + len(moved) - 1:
            pixels[to : to + len(moved)] = pixels[moved]
