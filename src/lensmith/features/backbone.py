"""What the packaged, pretrained network sees in each picture; a second look is there at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL
import torch
from numpy.typing import NDArray

from lensmith.data.contents import is_file
from lensmith.data.dataset import ImageDataset, Skipped
from lensmith.data.native import native_size
from lensmith.errors import DataError
from lensmith.features.embed import Features, embed
from lensmith.features.kept import Kept
from lensmith.models.lite0 import FEATURES, Lite0
from lensmith.models.packaged import BACKBONE, ENLARGED, is_there
from lensmith.models.pretrained import load_pretrained
from lensmith.models.published import published, weights_file
from lensmith.pictures.preprocess import Preprocess
from lensmith.runs.files import sha256_of
from lensmith.store.store import VERSION, Column, decode_column, is_stored, open_column
from lensmith.types import Event

__all__ = ["Looked", "is_there", "look", "seconds_to_look"]

_PIECE = 512
"""Pictures that are decoded, looked at and kept together."""

_SECONDS_A_PICTURE = 0.01
"""For one of 224 px on two cores, decoded and looked at."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Looked:
    """Embeddings of the pictures that can be read.

    features: float32 [N, 1280]; rows: int64 [N], ascending, the index of each in its data; skipped: the others.
    """

    features: Features
    rows: NDArray[np.int64]
    skipped: tuple[Skipped, ...]


def look(data: ImageDataset, *, store: bool = True, device: str = "cpu") -> Generator[Event, None, Looked]:
    """What the packaged EfficientNet-Lite0 sees in each picture, before its last layer.

    Small pictures are shown enlarged. What was seen is kept in the cache folder under the sha256 of each picture's
    file, to 11 bits (also where nothing is kept, so that both ways give the same numbers); of `store=False`, and of
    pictures that lie in no file, nothing is kept. The examples learn their sha256.

    Raises `ModelFileError` where the package is not installed (ask `is_there`), `DataError` where no picture can be
    read.
    """
    facts = published(BACKBONE, 224)
    weights = weights_file(BACKBONE, facts)
    preprocess = _as_published(data)
    features, there = np.zeros((len(data), FEATURES), np.float32), np.zeros(len(data), bool)
    kept = None
    if store and all(is_file(example.source) for example in data.examples):
        kept = Kept(_key(preprocess, weights), FEATURES)
        features, there = kept.read(data.ids)
    missing = np.flatnonzero(~there)
    network = _network(device) if len(missing) else None
    skipped: list[Skipped] = []
    done = 0
    for piece in _pieces(data, missing, preprocess, store):
        assert network is not None
        skipped.extend(piece.skipped)
        if len(piece.rows):
            seen = yield from _counted(
                embed(network.features, piece.pixels, preprocess, device=device), done, len(missing)
            )
            features[piece.rows], there[piece.rows] = seen.astype(np.float16), True
            if kept is not None:
                kept.write([data.examples[row].sha256 for row in piece.rows.tolist()], seen)
        done += len(piece.rows) + len(piece.skipped)
        if done < len(missing):
            yield Event("features", "pictures", done, len(missing))
    rows = np.flatnonzero(there)
    if not len(rows):
        first = skipped[0] if skipped else Skipped(data.name, "no pictures")
        raise DataError(
            f"{data.name}: no picture can be read", hint=f"The first, {first.file}: {first.reason}."
        )
    return Looked(features if len(rows) == len(data) else features[rows], rows, tuple(skipped))


def seconds_to_look(data: ImageDataset) -> float:
    """About how long `look` takes on two cores: next to nothing for pictures that it has seen before."""
    preprocess = _as_published(data)
    kept = Kept(_key(preprocess, weights_file(BACKBONE, published(BACKBONE, 224))), FEATURES)
    missing = sum(not there for there in kept.holds(data.ids))
    return missing * _SECONDS_A_PICTURE * (preprocess.size[0] / 224) ** 2


def _as_published(data: ImageDataset) -> Preprocess:
    """How the network was shown pictures when it was trained; small ones are enlarged less, which saves time."""
    facts, (side, _) = published(BACKBONE, 224), native_size(data)
    size, resize = facts["size"], facts["resize"]
    if side is not None and ENLARGED * side < size:
        size, resize = ENLARGED * side, None
    return Preprocess((size, size), "crop", resize, facts["interpolation"], facts["mean"], facts["std"])


def _key(preprocess: Preprocess, weights: Path) -> str:
    """Named by what decides the numbers beside the picture: decoding, preprocessing and weights."""
    steps = json.dumps(preprocess.as_dict(), sort_keys=True)
    words = f"features {VERSION} {PIL.__version__} {steps} {sha256_of(weights)}"
    return hashlib.sha256(words.encode()).hexdigest()[:24]


def _network(device: str) -> Lite0:
    with torch.random.fork_rng(
        devices=[]
    ):  # its first weights are drawn before the trained ones replace them
        model, _ = load_pretrained(BACKBONE, 1, 224)
    assert isinstance(model, Lite0)
    return model.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _pieces(
    data: ImageDataset, rows: NDArray[np.int64], preprocess: Preprocess, store: bool
) -> Iterator[Column]:
    """Prepared pictures of these rows, a few at a time: from the store where a split lies there, else decoded now,
    since what is seen in them is kept and not they themselves."""
    splits = np.array([data.examples[row].split for row in rows.tolist()], object)
    for split in dict.fromkeys(splits.tolist()):
        mine = rows[splits == split]
        part = data.with_examples([data.examples[row] for row in mine.tolist()])
        if store and is_stored(part, preprocess):
            column = _finished(open_column(part, preprocess))
            skipped = column.skipped
            for start in range(0, len(column.rows), _PIECE):
                piece = slice(start, start + _PIECE)
                yield Column(column.pixels[piece], mine[column.rows[piece]], skipped, True)
                skipped = ()
            continue
        for start in range(0, len(mine), _PIECE):
            few = mine[start : start + _PIECE]
            part = data.with_examples([data.examples[row] for row in few.tolist()])
            column = _finished(decode_column(part, preprocess))
            yield Column(column.pixels, few[column.rows], column.skipped, False)


def _counted(going: Generator[Event, None, Result], begun: int, total: int) -> Generator[Event, None, Result]:
    """The events of a part, counted as those of the whole."""
    while True:
        try:
            event = next(going)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield Event(event.stage, event.words, begun + event.done, total)


def _finished(going: Generator[Event, None, Result]) -> Result:
    while True:
        try:
            next(going)
        except StopIteration as end:
            result: Result = end.value
            return result
