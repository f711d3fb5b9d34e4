"""The section on robustness: what each disturbance costs, and how it looks."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lensmith.errors import PictureError
from lensmith.pictures.decode import Pixels
from lensmith.pictures.disturb import DISTURBANCES
from lensmith.report.markup import Html, join, table, tag
from lensmith.report.ranged import UNITS, ranged
from lensmith.report.thumbnails import SIDE, picture_of, shots, thumbnail_of


def robustness(study: dict[str, Any]) -> Html:
    """From the JSON form of `bundle.robustness.Robustness`."""
    told = tag("p", study["verdict"], ".")
    if "kinds" not in study:
        return told
    form, signed, scale = UNITS[study["figure"]]
    rows = [("as they are", ranged(study["value"], form), "", "")]
    rows += [
        (
            one["name"],
            ranged(one["value"], form),
            ranged(one["lost"], signed, scale),
            "clearly" if one["is_clear"] else "may be chance",
        )
        for one in study["kinds"]
    ]
    unit = " in points" if scale == 100 else ""
    caption = (
        f"On {study['value']['count']:,} pictures, disturbed at the size at which the model looks at them. "
        f"Lost{unit}: to the same pictures as they are, with 95% intervals; clearly: chance, all rows together,"
        " would do it once in twenty times at most."
    )
    head = ("pictures", study["figure"].replace("_", " "), f"lost{unit}", "so")
    return join(told, table(head, rows, caption), shots(_examples(*study["example"])))


def _examples(file: str, sha256: str) -> list[tuple[Html, Html]]:
    """One of the pictures in each way, where it still lies there."""
    if not file:
        return []
    with contextlib.suppress(PictureError):
        pixels = _small(picture_of(Path(file), sha256))
        return [(thumbnail_of(one.change(pixels, 1), one.name), join(one.name)) for one in DISTURBANCES]
    return []


def _small(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3)
    return np.array(image)
