"""Pictures that are unlike the others in light, sharpness or size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lensmith.audit.inspect import Issue, Name
from lensmith.audit.measures import MEASURES
from lensmith.audit.signatures import Signatures
from lensmith.data.dataset import ImageDataset

_BLANK, _NOTHING = 3.0, 1.0
"""Levels of contrast of a blank picture at most; a dark one may have as little as the second."""
_DARK, _DARKEST = 80.0, 45.0
"""Levels that 98 % of a dark picture's pixels, and their mean, stay below."""
_BLURRED, _BLURRED_BESIDE = 0.14, 0.4
"""Sharpness of a blurred picture at most, and beside the median of all."""
_AREA, _SHAPE = 16.0, 2.5
"""Times the median area, or the median ratio of the sides, and times less."""
_RARE = 0.05
"""Sizes that more pictures than this part have are not odd."""
_FEW = 10
"""Pictures under which there is no telling what is odd."""


def outliers(data: ImageDataset, signatures: Signatures) -> list[Issue]:
    """Blank, dark, blurred and odd-sized pictures. A picture is one of the first three at most."""
    mean, spread, high, sharpness = (signatures.measures[:, at] for at in range(len(MEASURES)))
    dark = (spread >= _NOTHING) & (high < _DARK) & (mean < _DARKEST)
    blank = (spread < _BLANK) & ~dark
    typical = float(np.median(sharpness[~blank])) if (~blank).any() else 0.0
    blurred = ~blank & ~dark & (sharpness < min(_BLURRED, _BLURRED_BESIDE * typical))
    found: list[tuple[Name, NDArray[np.bool_], str, str]] = [
        (
            "blank",
            blank,
            "show nothing: one colour all over",
            "Delete them, unless nothing is what they mean.",
        ),
        (
            "dark",
            dark,
            "are nearly black",
            "Brighten or delete them, unless such pictures will be asked about.",
        ),
        ("blurred", blurred, "are blurred, or were enlarged", "Look whether one can tell what they show."),
        (
            "odd size",
            _odd(signatures.sizes),
            "are much larger, smaller or narrower than the others",
            _ODD_HINT,
        ),
    ]
    return [
        Issue(
            name,
            "warning" if name == "blank" else "info",
            f"{np.count_nonzero(those):,} pictures {what}",
            [[str(data.examples[row].source)] for row in signatures.rows[those].tolist()],
            hint,
        )
        for name, those, what, hint in found
        if those.any()
    ]


_ODD_HINT = "Look whether they are pictures of the same kind: thumbnails, banners and scans are often not."


def _odd(sizes: NDArray[np.int32]) -> NDArray[np.bool_]:
    if len(sizes) < _FEW:
        return np.zeros(len(sizes), np.bool_)
    sides = np.sort(sizes, 1).astype(np.float64)
    odd = np.zeros(len(sizes), np.bool_)
    for values, limit in ((sides[:, 0] * sides[:, 1], _AREA), (sides[:, 1] / sides[:, 0], _SHAPE)):
        times = values / np.median(values)
        for beyond in (times > limit, times < 1 / limit):
            if beyond.mean() <= _RARE:
                odd |= beyond
    return odd
