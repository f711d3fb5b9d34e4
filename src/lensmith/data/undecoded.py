"""A column that is in no memory and on no disk: its pictures are decoded when they are asked for."""

from __future__ import annotations

import contextlib
import functools
import threading
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.data.contents import Contents
from lensmith.data.dataset import ImageDataset
from lensmith.data.decoding import Decoder
from lensmith.errors import DataError
from lensmith.machine.workers import in_parallel
from lensmith.pictures.decode import Pixels
from lensmith.pictures.preprocess import Preprocess

_CHUNK = 16


@dataclass(frozen=True)
class Undecoded:
    """Read as an array, uint8 [N, H, W, 3]: `len`, `shape`, and parts by a slice, by int64 rows or by bool [N], each
    decoded anew. `pixels[:, :, ::-1]` are the mirrored pictures. A part with a picture that cannot be read raises
    `DataError`.
    """

    data: ImageDataset
    preprocess: Preprocess
    mirrored: bool = False

    @functools.cached_property
    def decoder(self) -> Decoder:
        """Made once: it looks at some pictures to know what the others are like."""
        return Decoder(self.data, self.preprocess)

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, H, W, 3]."""
        return len(self.data), *self.preprocess.size, 3

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, part: Any) -> Any:
        if isinstance(part, tuple):
            if part != (slice(None), slice(None), slice(None, None, -1)):
                raise IndexError(f"{part} of pictures that are not decoded yet")
            return replace(self, mirrored=not self.mirrored)
        rows = np.arange(len(self.data))[part]
        pixels, reasons = self.readable(rows)
        for row, reason in reasons.items():
            raise DataError(
                f"{self.data.examples[row].source}: {reason}",
                hint="Leave it out: write the shards without it, or drop it in a file of decisions.",
            )
        return pixels

    def readable(self, rows: NDArray[np.int64]) -> tuple[Pixels, dict[int, str]]:
        """Those of some rows that can be read, in their order, and the reasons of the others."""
        wanted = rows.tolist()
        pixels = np.zeros((len(wanted), *self.shape[1:]), np.uint8)
        contents = Contents([self.data.examples[row] for row in wanted])
        at = {row: place for place, row in enumerate(wanted)}
        reasons: dict[int, str] = {}

        def decode(part: range, left: threading.Event) -> None:
            decoded = self.decoder.block(
                wanted[part.start : part.stop], lambda row: contents.take(at[row]), left
            )
            if decoded is not None:
                pixels[part.start : part.stop] = decoded[0]
                reasons.update(decoded[1])

        with contextlib.closing(contents):
            for _ in in_parallel(decode, len(wanted), _CHUNK):
                pass
        if reasons:
            pixels = pixels[[row not in reasons for row in wanted]]
        return (pixels[:, :, ::-1] if self.mirrored else pixels), reasons
