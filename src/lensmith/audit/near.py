"""Pictures that are one picture, cropped, turned, brightened, resized or encoded anew."""

from __future__ import annotations

import threading
from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from lensmith.audit.alignment import align
from lensmith.audit.candidates import find_candidates
from lensmith.audit.confirming import READ_AGAIN, confirmed
from lensmith.audit.likeness import (
    LIKE_SMALL_COPY,
    MAYBE,
    PLAIN_COPY,
    SMALL_COPY,
    Bounds,
    Likeness,
    gathered,
    settled,
)
from lensmith.audit.pairs import Pairs, joined, squares
from lensmith.audit.resampling import smoothed
from lensmith.audit.rivals import stand_out
from lensmith.audit.signatures import SMALL, Signatures
from lensmith.data.dataset import ImageDataset
from lensmith.machine.workers import in_parallel
from lensmith.pictures.decode import Pixels
from lensmith.types import Event

_COARSE, _HOPEFUL, _LEAST = 16, 0.85, 0.9
"""The side at which pairs are laid over each other first, and the correlations under which they are given up there,
blurred and not."""
_SIDES = (16, 24, 32, 48, 64)
"""Sides at which thumbnails are judged: no more than the smaller picture has pixels."""
_STEPS = 3
_BLOCK = 128


def find_near(data: ImageDataset, signatures: Signatures) -> Generator[Event, None, list[tuple[int, int]]]:
    """Pairs of pictures that are one, as places in the signatures; only as many as link all that belong together.

    Pairs are found by their codes, laid over each other as thumbnails, and judged. Photos are then read once
    more to be judged at a larger size.
    """
    thumbs = signatures.thumbs
    if len(thumbs) < 2:
        return []
    yield Event("look", f"for copies among {len(thumbs):,} pictures", 0, 1)
    pairs = _refined(thumbs, find_candidates(thumbs))
    sides = [side for side in _SIDES if side <= thumbs.shape[1]]
    smaller = pairs.smaller_side(signatures.sizes)
    level = np.maximum(np.searchsorted(sides, smaller, "right") - 1, 0)
    again = (smaller >= READ_AGAIN) & (thumbs.shape[1] > SMALL)
    photos, found = _looked_at(thumbs, pairs[again], sides[-1])
    photos = photos[_within(MAYBE, photos, found, signatures)]
    small = [_looked_at(thumbs, pairs[(level == at) & ~again], side) for at, side in enumerate(sides)]
    pairs, found = joined([one for one, _ in small]), gathered([one for _, one in small])
    surely = _within(SMALL_COPY, pairs, found, signatures) | _within(PLAIN_COPY, pairs, found, signatures)
    copies = stand_out(pairs, found, surely, _within(LIKE_SMALL_COPY, pairs, found, signatures))
    return (yield from confirmed(data, signatures, joined([photos, pairs[copies]])))


def _refined(thumbs: Pixels, pairs: Pairs) -> Pairs:
    """The pairs that agree when they are small, with better windows."""
    kept: dict[int, Pairs] = {}

    def refine(part: range, left: threading.Event) -> None:
        if not left.is_set():
            some = pairs[part.start : part.stop]
            first = squares(thumbs, some.first, some.turns[:, 0], _COARSE).mean(-1)
            second = squares(thumbs, some.second, some.turns[:, 1], _COARSE).mean(-1)
            # Blurred pictures find to each other from farther away.
            windows, blurred = align(
                smoothed(smoothed(first)), smoothed(smoothed(second)), some.windows, _STEPS
            )
            some = Pairs(some.first, some.second, some.turns, windows)
            hopeful = blurred >= _HOPEFUL
            windows, correlation = align(first[hopeful], second[hopeful], some[hopeful].windows, _STEPS)
            some = some[hopeful]
            better = Pairs(some.first, some.second, some.turns, windows)
            kept[part.start] = better[correlation >= _LEAST]

    for _ in in_parallel(refine, len(pairs), _BLOCK):
        pass
    return joined([kept[start] for start in sorted(kept)] or [pairs])


def _looked_at(thumbs: Pixels, pairs: Pairs, side: int) -> tuple[Pairs, Likeness]:
    """The pairs with better windows, and how like they are at this side."""
    kept: dict[int, tuple[Pairs, Likeness]] = {}

    def look(part: range, left: threading.Event) -> None:
        if not left.is_set():
            some = pairs[part.start : part.stop]
            first = squares(thumbs, some.first, some.turns[:, 0], side)
            second = squares(thumbs, some.second, some.turns[:, 1], side)
            windows, found = settled(first, second, some.windows, _STEPS)
            kept[part.start] = Pairs(some.first, some.second, some.turns, windows), found

    for _ in in_parallel(look, len(pairs), _BLOCK):
        pass
    parts = [kept[start] for start in sorted(kept)]
    return joined([one for one, _ in parts] or [pairs]), gathered([one for _, one in parts])


def _within(bounds: Bounds, pairs: Pairs, found: Likeness, signatures: Signatures) -> NDArray[np.bool_]:
    return bounds.hold(found) & pairs.laid_as(signatures.sizes, bounds)
