"""What a running program prints: taken as it comes, kept from its beginning and its end."""

from __future__ import annotations

import codecs
import contextlib
import os
import queue
import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

HEAD, TAIL = 8 * 2**20, 2 * 2**20
"""Bytes of output that are kept from its beginning and from its end."""
_LAST_WORDS = 2000
_DUE = 1.0
"""Seconds between two times that something is shown."""


_ESCAPES = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0a-\x1f\x7f-\x9f]"
)


def printable(text: str) -> str:
    """One line of foreign text without what would move a terminal's cursor, or its colours."""
    return _ESCAPES.sub("", text.replace("\n", " "))


@dataclass(frozen=True)
class Piece:
    """A piece of output, which may be empty. last: the last line so far; is_due: whether it is time to show it."""

    raw: bytes
    decoded: str
    last: str
    is_due: bool


class Output:
    """The output of a process in pieces, until all of it has come. Where nothing comes, empty pieces do: the time
    goes on. Leaving the block does not wait for more."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._process, self._pipe = process, process.stdout
        self._pieces: queue.Queue[bytes] = queue.Queue(64)
        self._left = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)

    def __enter__(self) -> Output:
        self._reader.start()
        return self

    def __iter__(self) -> Iterator[Piece]:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        last, shown = "", time.monotonic()
        while (raw := self._next()) is not None:
            text = decode(raw)
            rows = (printable(row).strip() for row in reversed(re.split(r"[\r\n]+", text)))
            last = next((row for row in rows if row), last)[-200:]
            is_due = time.monotonic() - shown >= _DUE
            shown = time.monotonic() if is_due else shown
            yield Piece(raw, text, last, is_due)

    def __exit__(self, *error: object) -> None:
        self._left.set()

    def _next(self) -> bytes | None:
        """The next piece; empty where none has come for a while, None at the end."""
        try:
            return self._pieces.get(timeout=0.2) or None
        except queue.Empty:
            # A process that got away may hold the pipe open for ever: nothing more is waited for.
            return None if self._process.poll() is not None else b""

    def _read(self, pipe: BinaryIO) -> None:
        with pipe:
            while not self._left.is_set():
                piece = os.read(pipe.fileno(), 2**16)
                self._put(piece)
                if not piece:
                    return

    def _put(self, piece: bytes) -> None:
        while not self._left.is_set():
            with contextlib.suppress(queue.Full):
                self._pieces.put(piece, timeout=0.5)
                return


class Log:
    """A file that keeps the beginning and the end of an output of any length."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._path = path
        self._tail: deque[bytes] = deque()
        self._held = 0

    def __enter__(self) -> Log:
        self._file = self._path.open("wb")
        return self

    def write(self, piece: bytes) -> None:
        """Take the next piece."""
        room = max(0, HEAD - self.size)
        self.size += len(piece)
        self._file.write(piece[:room])
        self._file.flush()
        self._tail.append(piece[room:])
        self._held += len(piece[room:])
        while self._held - len(self._tail[0]) > TAIL:
            self._held -= len(self._tail.popleft())

    def __exit__(self, *error: object) -> None:
        dropped = self.size - min(self.size, HEAD) - self._held
        if dropped:
            self._file.write(f"\n... {dropped:,} bytes are left out here ...\n".encode())
        for piece in self._tail:
            self._file.write(piece)
        self._file.close()

    def last_words(self) -> str:
        """The end of what was kept."""
        with self._path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_WORDS))
            return file.read().decode("utf-8", "replace")
