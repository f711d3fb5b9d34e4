"""An exported file asked in a process of its own, which knows nothing of the bundle that it comes from."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from lensmith.errors import AnswerIsNo
from lensmith.exports import consumer
from lensmith.pictures.decode import Pixels


class Elsewhere:
    """The process: `show` it pictures, then take its `answers`."""

    def __init__(self, process: subprocess.Popen[bytes], words: IO[bytes]) -> None:
        self._process = process
        self._words = words

    def show(self, pixels: Pixels) -> None:
        """One more picture, uint8 [H, W, 3]."""
        assert self._process.stdin is not None
        # A process that has ended cannot take it; `answers` says why.
        with contextlib.suppress(OSError):
            self._process.stdin.write(struct.pack("<II", *pixels.shape[:2]))
            self._process.stdin.write(np.ascontiguousarray(pixels).data)

    def answers(self) -> NDArray[np.float32]:
        """What the file says of the pictures, float32 [pictures, outputs + 1]: the last says whether it is sure.
        Raises `AnswerIsNo` if it cannot."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        output = self._process.stdout.read()
        if self._process.wait() != 0:
            self._words.seek(0)
            said = self._words.read().decode("utf-8", "replace").strip().splitlines()
            reason = said[-1] if said else f"exit code {self._process.returncode}"
            raise AnswerIsNo(f"the exported file cannot be run ({reason[:300]})", hint="Nothing was written.")
        found: NDArray[np.float32] = np.load(io.BytesIO(output), allow_pickle=False)
        return found


@contextlib.contextmanager
def elsewhere(kind: str, file: Path) -> Iterator[Elsewhere]:
    """A file opened in a process of its own, which ends with the block. kind: onnx, pt2 or lens."""
    # It finds the packages that this process has found, wherever they lie.
    path = os.pathsep.join(word for word in sys.path if word)
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            [sys.executable, "-P", consumer.__file__, kind, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            env={**os.environ, "PYTHONPATH": path, "ORT_DISABLE_TELEMETRY": "1"},
        )
        try:
            yield Elsewhere(process, words)
        finally:
            process.kill()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if stream is not None:
                        stream.close()
            process.wait()
