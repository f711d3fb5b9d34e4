"""The section of explained pictures, and the page that `explain` writes of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lensmith.explaining.occlusion import overlay
from lensmith.pictures.decode import Pixels
from lensmith.pictures.preprocess import Preprocess, preprocess_from
from lensmith.report.document import write_document
from lensmith.report.markup import Html, join, number, tag
from lensmith.report.thumbnails import shots, thumbnail

_HOW = (
    "Red is what speaks most for the answer. Under each picture stands how far to trust its map: parts are hidden "
    "in the map's order, and in random orders of pieces of the same size; where a map does no better than those, "
    "what it marks is not what the answer hangs on."
)


def explanations(study: dict[str, Any]) -> Html:
    """From the JSON form of `explaining.explanations.Explanations`."""
    said = tag("p", study["verdict"], ".")
    return join(said, _shown(study)) if "pictures" in study else said


def write_explanations(path: Path, title: str, study: dict[str, Any]) -> None:
    """One page that requests nothing, with the pictures that `explain` was asked about."""
    write_document(path, title, study["verdict"], {"Explanations": _shown(study)}, [title])


def _shown(study: dict[str, Any]) -> Html:
    preprocess = preprocess_from(study["preprocess"])
    notes = [tag("p", note, ".") for note in study.get("without", [])]
    rows = [
        _row(one, preprocess, is_number="label" not in one or not one["label"]) for one in study["pictures"]
    ]
    return join(*notes, tag("p", _HOW), *rows)


def _row(one: dict[str, Any], preprocess: Preprocess, *, is_number: bool) -> Html:
    """The heat map, and beside it the training pictures that are most like it to the model."""
    words = f"{one['file']}: where {one.get('label') or 'the number'} hangs on it"
    through = partial(_overlaid, preprocess=preprocess, places=one["places"], is_number=is_number)
    pictures = [(thumbnail(one["file"], one["sha256"], words, through), _caption(one))]
    for near in one["nearest"]:
        pictures.append((thumbnail(near["file"], near["sha256"], near["file"], preprocess), _like(near)))
    trusted = one["verdict"][:1].upper() + one["verdict"][1:]
    return join(shots(pictures), tag("p", tag("small", trusted, ".")))


def _overlaid(pixels: Pixels, *, preprocess: Preprocess, places: Any, is_number: bool) -> Pixels:
    seen = preprocess(pixels)
    values = np.array(places, np.float32)
    marked = np.abs(values) if is_number else np.maximum(values, 0)
    smooth = Image.fromarray(marked).resize((seen.shape[1], seen.shape[0]), Image.Resampling.BILINEAR)
    return overlay(seen, np.maximum(np.asarray(smooth, np.float32), 0))


def _caption(one: dict[str, Any]) -> Html:
    """What it shows, what was said, and where the map is from."""
    is_share = bool(one.get("label"))
    said = join(one["label"], " ") if is_share else join()
    said = join(said, number(one["score"], ".1%" if is_share else ",.4g"))
    shows = f"shows {one['shows']}, " if "shows" in one else ""
    way = f"layer {one['layer']}" if one.get("layer") else "parts covered"
    return join(shows, "map for ", said, tag("small", f"{one['file']} ({way})"))


def _like(near: dict[str, Any]) -> Html:
    words = "the picture itself, " if near.get("is_it") else ""
    same = join("learned from: ", words, near["label"], ", likeness ", number(near["similarity"], ".2f"))
    return join(same, tag("small", near["file"]))
