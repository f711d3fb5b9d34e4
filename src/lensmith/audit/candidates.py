"""Pairs of pictures that may be the same one: each picture, cropped and laid in several ways, is looked up among
all others as they are.

A picture's code is its smallest version, 8 x 8, in grey and colour differences, without its mean and contrast.
Laid so that it grows brighter to the right and downwards, and to the right the more, each picture lies one way
round only; what is about as bright on two sides is looked up both ways. Codes lie in bins around centres that
are learned from them, and only the nearest bins are gone through: the work grows far slower than the square
of the number of pictures.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.audit.alignment import Windows
from lensmith.audit.pairs import Pairs
from lensmith.audit.resampling import TURNS, Floats, averaging, resampled, turned
from lensmith.machine.workers import in_parallel
from lensmith.pictures.decode import Pixels

CROPPED = 0.85
"""The part of each side that a cropped picture shows, about: 0.8 to 1 are found."""
_CODE = 8
_CYCLES = (7, 3, 3)
"""Half waves across a code, along both sides together: in grey, and in either difference of colours."""
_COLOUR = 0.5
"""The weight of colour differences beside that of grey."""
_EITHER_WAY = 0.08
"""Slopes of brightness that differ by less are not told apart; the whole picture's contrast is 1."""
_FLAT = 2.0
"""Levels of contrast under which a picture shows nothing that could be recognised."""
_ALIKE = 0.86
"""The cosine between two codes from which on they are a pair."""
_MOST = 10
"""Pairs kept for each picture, the likest."""
_WAYS = 3
"""Turns and windows in which a pair is kept, the likest."""
_PER_BIN = 192
"""Pictures in a bin, about."""
_BINS = 4
"""Bins that are gone through for each code."""
_LEARNED_FROM, _PASSES = 20_000, 8
_BLOCK = 512

_GREY = np.array([[1 / 3, 1, 0.5], [1 / 3, -1, 0.5], [1 / 3, 0, -1]], np.float32)
"""RGB -> grey, red against green, yellow against blue."""
_STARTS = (0.0, (1 - CROPPED) / 2, 1 - CROPPED)
_WINDOWS = ((0.0, 0.0, 1.0), *((y, x, CROPPED) for y in _STARTS for x in _STARTS))
"""(top, left, side) of what is looked up: the whole picture, and nine crops of it."""


def find_candidates(thumbs: Pixels) -> Pairs:
    """The likest pairs among these pictures, uint8 [N, S, S, 3], each pair in a few ways, the likest first."""
    codes = _Codes(thumbs)
    bins = _Bins(codes.whole)
    found: dict[int, NDArray[np.float64]] = {}

    def look_up(part: range, left: threading.Event) -> None:
        if not left.is_set():
            found[part.start] = _likest(bins, codes, part)

    for _ in in_parallel(look_up, len(thumbs), _BLOCK):
        pass
    rows = np.concatenate([np.empty((0, 5)), *(found[start] for start in sorted(found))])
    first, second, turn, window = rows[:, :4].astype(np.int32).T
    pair = np.minimum(first, second).astype(np.int64) * len(thumbs) + np.maximum(first, second)
    kept = _best(pair, rows[:, 4], _WAYS)
    kept = kept[np.argsort(-rows[kept, 4], kind="stable")]
    first, second = first[kept].astype(np.int64), second[kept].astype(np.int64)
    turns = np.stack([turn[kept], codes.turn[second]], 1).astype(np.uint8)
    windows = np.array(_WINDOWS, np.float32)[window[kept]]
    starts = _turned_starts(windows[:, :2], windows[:, 2:], turns[:, :1])
    return Pairs(first, second, turns, Windows(starts, np.repeat(windows[:, 2:], 2, 1)))


def _turned_starts(starts: Floats, side: Floats, turn: NDArray[np.uint8]) -> Floats:
    """Where windows of a side begin, [P, 2], down and right, once their pictures are laid by a turn, [P, 1]."""
    mirrored = np.concatenate([turn & 2, turn & 1], 1) > 0
    starts = np.where(mirrored, 1 - side - starts, starts)
    return np.where(turn & 4, starts[:, ::-1], starts)


class _Codes:
    """How pictures are looked up. whole: float32 [M, D], of length 1, of each whole picture as it is laid by
    its own turn; flat ones have zeros there, which are like nothing."""

    def __init__(self, thumbs: Pixels) -> None:
        self._thumbs, self._waves = thumbs, _waves()
        side = thumbs.shape[1]
        lines = sorted({(start, length) for y, x, length in _WINDOWS for start in (y, x)})
        self._lines = {line: averaging(side, _CODE, *line) for line in lines}
        starts = range(0, len(thumbs), _BLOCK)
        wholes, turns = [], []
        for start in starts:
            small = self._windows(range(start, min(start + _BLOCK, len(thumbs))), _WINDOWS[:1])[:, 0]
            turn = _own_turn(*_slopes(small))
            for one in range(TURNS):
                small[turn == one] = turned(small[turn == one], one)
            wholes.append(_unit(small.reshape(len(small), 3 * _CODE**2) @ self._waves))
            turns.append(turn)
        self.turn = np.concatenate(turns)
        self.whole = np.concatenate(wholes)

    def of(self, part: range) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], Floats]:
        """All codes under which pictures are looked up: their row, turn and window, and the codes."""
        small = self._windows(part, _WINDOWS)
        small = small.reshape(-1, _CODE, _CODE, 3)
        right, down = _slopes(small)
        rows, turns, codes = [], [], []
        for turn in range(TURNS):
            x, y = _laid(right, down, turn)
            chosen = np.flatnonzero((x >= -_EITHER_WAY) & (y >= -_EITHER_WAY) & (x - y >= -_EITHER_WAY))
            laid = np.ascontiguousarray(turned(small[chosen], turn))
            rows.append(chosen)
            turns.append(np.full(len(chosen), turn))
            codes.append(_unit(laid.reshape(len(chosen), 3 * _CODE**2) @ self._waves))
        row, window = np.divmod(np.concatenate(rows), len(_WINDOWS))
        return part.start + row, np.concatenate(turns), window, np.concatenate(codes)

    def _windows(self, part: range, windows: tuple[tuple[float, float, float], ...]) -> Floats:
        """[n, windows, 8, 8, 3]: grey and colour differences, without their means, of length 1 in all."""
        pictures = self._thumbs[part.start : part.stop].astype(np.float32) @ _GREY
        found = np.stack(
            [resampled(pictures, self._lines[y, side], self._lines[x, side]) for y, x, side in windows], 1
        )
        found -= found.mean((2, 3), keepdims=True)
        found[..., 1:] *= _COLOUR
        lengths = np.sqrt((found**2).sum((2, 3, 4), keepdims=True))
        flat = np.sqrt((found[..., :1] ** 2).mean((2, 3, 4), keepdims=True)) < _FLAT
        unit: Floats = np.where(flat, 0, found / np.maximum(lengths, 1e-6))
        return unit


class _Bins:
    """Codes by the centre that each is nearest to."""

    def __init__(self, codes: Floats) -> None:
        self._codes = codes
        self._centres = _centres(codes[_sample(len(codes))], max(1, len(codes) // _PER_BIN))
        nearest = _nearest(codes, self._centres)
        self._members = np.argsort(nearest, kind="stable")
        self._bounds = np.searchsorted(nearest[self._members], np.arange(len(self._centres) + 1))

    def alike(self, codes: Floats) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], Floats]]:
        """For codes to look up: which of them, the rows they are like, and how much."""
        count = min(_BINS, len(self._centres))
        near = np.argpartition(-(codes @ self._centres.T), count - 1, axis=1)[:, :count]
        asked, place = np.argsort(near, axis=None, kind="stable"), np.sort(near, axis=None)
        bounds = np.searchsorted(place, np.arange(len(self._centres) + 1))
        for bin_ in range(len(self._centres)):
            askers = asked[bounds[bin_] : bounds[bin_ + 1]] // count
            members = self._members[self._bounds[bin_] : self._bounds[bin_ + 1]]
            if len(askers) and len(members):
                likeness = codes[askers] @ self._codes[members].T
                which, whom = np.nonzero(likeness >= _ALIKE)
                yield askers[which], members[whom], likeness[which, whom]


def _likest(bins: _Bins, codes: _Codes, part: range) -> NDArray[np.float64]:
    """[P, 5]: row, row it is like, turn, window, likeness; the likest `_MOST` others of each row."""
    row, turn, window, code = codes.of(part)
    found = [np.empty((0, 5))]
    for which, whom, likeness in bins.alike(code):
        other = row[which] != whom
        which, whom = which[other], whom[other]
        found.append(np.stack([row[which], whom, turn[which], window[which], likeness[other]], 1))
    rows = np.concatenate(found)
    rows = rows[_best(rows[:, 0] * len(codes.whole) + rows[:, 1], rows[:, 4], _WAYS)]
    return rows[_best(rows[:, 0], rows[:, 4], _WAYS * _MOST)]


def _best(group: NDArray[Any], score: NDArray[Any], most: int) -> NDArray[np.intp]:
    """The indices of the `most` highest scores of each group."""
    order = np.lexsort((-score, group))
    ordered = group[order]
    begins = np.searchsorted(ordered, ordered)  # where each one's group begins
    return order[np.arange(len(order)) - begins < most]


def _slopes(small: Floats) -> tuple[Floats, Floats]:
    """How much [N, 8, 8, 3] grow brighter to the right, and downwards."""
    ramp = np.arange(_CODE, dtype=np.float32) - (_CODE - 1) / 2
    ramp /= np.sqrt(_CODE * (ramp**2).sum())
    grey = small[..., 0]
    return grey.sum(1) @ ramp, grey.sum(2) @ ramp


def _laid(right: Floats, down: Floats, turn: int) -> tuple[Floats, Floats]:
    """The slopes after a turn."""
    right, down = (-right if turn & 1 else right), (-down if turn & 2 else down)
    return (down, right) if turn & 4 else (right, down)


def _own_turn(right: Floats, down: Floats) -> NDArray[np.uint8]:
    """The turn after which it grows brighter to the right and down, and to the right the more."""
    found: NDArray[np.uint8] = np.packbits(
        np.stack([right < 0, down < 0, np.abs(down) > np.abs(right)], 1), axis=1, bitorder="little"
    )
    return found[:, 0]


def _waves() -> Floats:
    """What codes are made of, [192, D]: cosine waves of few cycles, fewer in colour than in grey. Photos have less
    in the finer ones, in proportion to their cycles; half of that is made up for, so that detail counts."""
    places = (np.arange(_CODE) + 0.5) * np.pi / _CODE
    found = []
    for channel, most in enumerate(_CYCLES):
        for down in range(most + 1):
            for right in range(most + 1 - down):
                wave = np.zeros((_CODE, _CODE, 3))
                wave[:, :, channel] = np.cos(down * places)[:, None] * np.cos(right * places)
                if down or right:
                    found.append(wave.ravel() / np.linalg.norm(wave) * np.hypot(down, right) ** 0.5)
    return np.stack(found, 1).astype(np.float32)


def _centres(sample: Floats, count: int) -> Floats:
    """Means of the codes that are nearest to them, by turns (S. P. Lloyd, 1982), of length 1."""
    draw = np.random.default_rng(0)
    centres = sample[draw.permutation(len(sample))[:count]]
    for _ in range(_PASSES if count > 1 else 0):
        nearest = _nearest(sample, centres)
        order = np.argsort(nearest, kind="stable")
        there, begins = np.unique(nearest[order], return_index=True)
        centres[there] = _unit(np.add.reduceat(sample[order], begins))
    return centres


def _nearest(codes: Floats, centres: Floats) -> NDArray[np.intp]:
    parts = [codes[at : at + 4096] @ centres.T for at in range(0, len(codes), 4096)]
    return np.concatenate([part.argmax(1) for part in parts])


def _sample(count: int) -> NDArray[np.intp]:
    return np.random.default_rng(0).permutation(count)[:_LEARNED_FROM]


def _unit(vectors: Floats) -> Floats:
    lengths: Floats = np.sqrt((vectors**2).sum(-1, keepdims=True))
    return vectors / np.maximum(lengths, 1e-6)
