"""`predictions.npz`: what a model said of every measured picture, so that nobody has to run it again."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lensmith.errors import ModelFileError
from lensmith.runs.files import write_bytes

OUT_OF_FOLD = "out of fold"
"""The split of a report on all pictures, each measured by a model that had not seen it."""
FOLD = "fold "
"""How the splits are called of pictures that were measured out of fold, with a number after it."""


@dataclass(frozen=True)
class Predictions:
    """Measured pictures in one order.

    ids: str [N], sha256 of each file; targets: [N] class indices, [N, labels] or [N] numbers;
    logits: float32 [N, outputs]; splits: str [N]; files: str [N], where each picture lay.
    """

    ids: NDArray[np.str_]
    targets: NDArray[np.generic]
    logits: NDArray[np.float32]
    splits: NDArray[np.str_]
    files: NDArray[np.str_]

    @property
    def out_of_fold(self) -> bool:
        """Whether each picture was answered by a model of its fold, and the run's own has learned from all."""
        return len(self.splits) > 0 and bool(np.char.startswith(self.splits, FOLD).all())

    def write(self, path: Path) -> None:
        """Write the arrays, whole or not at all."""
        buffer = io.BytesIO()
        np.savez(
            buffer,
            id=self.ids,
            target=self.targets,
            logits=self.logits,
            split=self.splits,
            path=self.files,
        )
        write_bytes(path, buffer.getvalue())


def read_predictions(path: Path) -> Predictions:
    """Read what `Predictions.write` wrote; nothing in the file is unpickled."""
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as arrays:
            columns = [arrays[name] for name in ("id", "target", "logits", "split", "path")]
        if len({len(column) for column in columns}) > 1:
            raise ValueError("its columns differ in length")
        return Predictions(*columns)
    except Exception as error:
        # A damaged zip makes its reader raise almost anything; whatever it is, nothing can be read.
        raise ModelFileError(f"{path}: no predictions can be read there ({error})") from error
