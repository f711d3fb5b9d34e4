"""Some pictures of a data set, decoded and preprocessed into one block: what the store and the stream are made of."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from lensmith.data.contents import Contents
from lensmith.data.dataset import ImageDataset
from lensmith.data.identity import pixels_id
from lensmith.errors import PictureError
from lensmith.pictures.decode import QUIET, Pixels, decode_image
from lensmith.pictures.plain import Sheet, new_sheet
from lensmith.pictures.preprocess import Preprocess

_SAMPLES = 16
"""Pictures that are looked at to know what the others will be like."""


class Decoder:
    """Pictures of `data` as `preprocess` leaves them; many small plain ones at a time."""

    def __init__(self, data: ImageDataset, preprocess: Preprocess) -> None:
        self._data, self._preprocess = data, preprocess
        height, width = preprocess.size
        whole = preprocess.resized_to(height, width) == (height, width)
        self.plain = whole and _are_plain(data, (height, width))
        """Whether most need nothing but decoding."""

    def block(
        self, rows: Sequence[int], take: Callable[[int], bytes | None], left: threading.Event | None = None
    ) -> tuple[Pixels, dict[int, str]] | None:
        """uint8 [len(rows), H, W, 3], and the reasons of the rows that cannot be read, which then hold anything.

        take: gives the bytes of a row, None where it lies in no file. None once `left` is set. Raises `DataError`.
        """
        size = self._preprocess.size
        block = np.zeros((len(rows), *size, 3), np.uint8)
        sheet = Sheet(size) if self.plain else None
        reasons: dict[int, str] = {}
        with QUIET:
            for place, row in enumerate(rows):
                if left is not None and left.is_set():
                    return None
                try:
                    content = take(row)
                    if sheet is None or content is None or not sheet.take(content, place):
                        block[place] = self._preprocessed(row, content)
                except PictureError as error:
                    reasons[row] = error.reason
        if sheet is not None:
            sheet.copy_to(block)
        return block, reasons

    def _preprocessed(self, row: int, content: bytes | None) -> Pixels:
        data, preprocess = self._data, self._preprocess
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


def _are_plain(data: ImageDataset, size: tuple[int, int]) -> bool:
    """Whether most pictures are plain and of that size, by a few of them.

    Then they need no image and no array of their own. The files of others would be read twice.
    """
    sheet, taken = new_sheet(size), 0
    if sheet is None:
        return False
    samples = data.examples[:: max(1, len(data) // _SAMPLES)]
    with contextlib.closing(Contents(samples)) as contents:
        for at in range(len(samples)):
            with contextlib.suppress(PictureError):
                content = contents.take(at)
                taken += content is not None and sheet.take(content, taken)
    return 0 < 2 * taken >= len(samples)
