"""Photos that may be copies are read once more, and judged where a thing that moved by a hundredth is seen."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lensmith.audit.alignment import whole_windows
from lensmith.audit.likeness import COPY, NOISY_COPY, settled
from lensmith.audit.linking import Links
from lensmith.audit.pairs import Pairs
from lensmith.audit.signatures import SMALL, Signatures, picture_of
from lensmith.data.dataset import ImageDataset
from lensmith.errors import PictureError
from lensmith.machine.workers import in_parallel
from lensmith.types import Event

_SIDES = (96, 128)
"""Sides at which photos are judged. Smaller pictures were, as thumbnails."""
READ_AGAIN = _SIDES[0]
"""The shortest side of pictures that are read once more."""
_READ = 256
"""The short side at which pictures are kept while their pairs are judged."""
_KEPT = 400
"""Pictures kept at a time, the latest."""
_BLOCK = 64
_STEPS = 2
_TURNS = (
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE,
)


def confirmed(
    data: ImageDataset, signatures: Signatures, pairs: Pairs
) -> Generator[Event, None, list[tuple[int, int]]]:
    """The pairs that are copies, without those that link what is linked already."""
    links = Links(len(signatures.rows))
    found: list[tuple[int, int]] = []

    def link(pair: tuple[int, int]) -> None:
        if not links.linked(*pair):
            links.link(*pair)
            found.append(pair)

    photos = (pairs.smaller_side(signatures.sizes) >= READ_AGAIN) & (signatures.thumbs.shape[1] > SMALL)
    for first, second in zip(pairs.first[~photos].tolist(), pairs.second[~photos].tolist(), strict=True):
        link((first, second))
    looks = _Looks(data, signatures)
    waiting = pairs[photos][_neighbours_first(pairs[photos], len(signatures.rows))]
    for start in range(0, len(waiting), _BLOCK):
        block = waiting[start : start + _BLOCK]
        open_ = [not links.linked(*pair) for pair in _rows(block)]
        block = block[np.array(open_, np.bool_)]
        for pair, same in zip(_rows(block), looks.are_copies(block), strict=True):
            if same:
                link(pair)
        yield Event("look", "pairs looked at closely", min(start + _BLOCK, len(waiting)), len(waiting) + 1)
    return found


def _rows(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


def _neighbours_first(pairs: Pairs, count: int) -> NDArray[np.int64]:
    """An order in which pairs that have to do with each other follow one another: each picture is read once."""
    links = Links(count)
    for pair in _rows(pairs):
        links.link(*pair)
    group = {row: at for at, rows in enumerate(links.groups()) for row in rows}
    return np.argsort([group[row] for row in pairs.first.tolist()], kind="stable").astype(np.int64)


class _Looks:
    """Pictures from their files, a few of them kept."""

    def __init__(self, data: ImageDataset, signatures: Signatures) -> None:
        self._data, self._signatures = data, signatures
        self._kept: OrderedDict[int, Image.Image | None] = OrderedDict()

    def are_copies(self, pairs: Pairs) -> list[bool]:
        """Whether each pair is one picture. One that cannot be read any more is no copy."""
        self._read(sorted({row for pair in _rows(pairs) for row in pair}))
        answers = [False] * len(pairs)

        def judge(part: range, left: threading.Event) -> None:
            if not left.is_set():
                for at in part:
                    answers[at] = self._is_copy(pairs[at : at + 1])

        for _ in in_parallel(judge, len(pairs), 8):
            pass
        return answers

    def _is_copy(self, pair: Pairs) -> bool:
        first, second = (self._kept.get(int(rows[0])) for rows in (pair.first, pair.second))
        if first is None or second is None:
            return False
        side = max(side for side in _SIDES if side <= max(_SIDES[0], min(*first.size, *second.size)))
        start, length = pair.windows.start[0], pair.windows.length[0]
        inner = (
            max(0.0, start[1]),
            max(0.0, start[0]),
            min(1.0, start[1] + length[1]),
            min(1.0, start[0] + length[0]),
        )
        one = _square(_laid(first, int(pair.turns[0, 0])), inner, side)
        # Where the window begins before the picture, what lies over it begins later in the other one.
        outer = tuple(
            float((edge - start[axis]) / length[axis]) for edge, axis in zip(inner, (1, 0, 1, 0), strict=True)
        )
        other = _square(_laid(second, int(pair.turns[0, 1])), outer, side)
        _, found = settled(one, other, whole_windows(1), _STEPS)
        return bool(COPY.hold(found)[0] or NOISY_COPY.hold(found)[0])

    def _read(self, rows: list[int]) -> None:
        missing = [row for row in rows if row not in self._kept]
        for row in rows:
            if row in self._kept:
                self._kept.move_to_end(row)

        def read(part: range, left: threading.Event) -> None:
            for at in part:
                if not left.is_set():
                    self._kept[missing[at]] = self._picture(missing[at])

        for _ in in_parallel(read, len(missing), 1):
            pass
        while len(self._kept) > max(_KEPT, len(rows)):
            self._kept.popitem(last=False)

    def _picture(self, place: int) -> Image.Image | None:
        try:
            image, _ = picture_of(self._data, int(self._signatures.rows[place]))
        except PictureError:
            return None
        shorter = min(image.size)
        if shorter <= _READ:
            return image
        size = (round(image.width * _READ / shorter), round(image.height * _READ / shorter))
        return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _laid(image: Image.Image, turn: int) -> Image.Image:
    for bit, how in enumerate(_TURNS):
        if turn >> bit & 1:
            image = image.transpose(how)
    return image


def _square(image: Image.Image, part: tuple[float, ...], side: int) -> NDArray[np.float32]:
    """A part (left, top, right, bottom, of 1) as float32 [1, side, side, 3]."""
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in part)
    box = (left * image.width, top * image.height, right * image.width, bottom * image.height)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box), np.float32)[None]
