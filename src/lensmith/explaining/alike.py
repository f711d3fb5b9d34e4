"""The training pictures that look most like a picture to the model: the nearest by what its last layer is given."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensmith.bundle.bundle import Bundle
from lensmith.data.contents import is_file
from lensmith.data.dataset import ImageDataset
from lensmith.errors import DataError, UsageError
from lensmith.pictures.decode import Pixels
from lensmith.types import Event

if TYPE_CHECKING:
    from torch import Tensor, nn

Features = NDArray[np.float32]

_PIECE = 512
"""Pictures that are decoded, looked at and kept together."""


@dataclass(frozen=True)
class Alike:
    """A training picture: its file, what it shows, and the cosine between what the model sees in both (1: the same).

    is_it: whether it is the asked picture itself.
    """

    file: str
    sha256: str
    label: str
    similarity: float
    is_it: bool

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        facts = {"file": self.file, "sha256": self.sha256, "label": self.label, "similarity": self.similarity}
        return facts | ({"is_it": True} if self.is_it else {})


@dataclass(frozen=True)
class Known:
    """What a model sees in training pictures: features [N, D] of `data`, in its order. of: how many there are; fewer
    were looked at where the time was up or some cannot be read."""

    features: Features
    data: ImageDataset
    of: int


def look_at(
    bundle: Bundle, network: nn.Module, data: ImageDataset, *, store: bool = True, seconds: float = math.inf
) -> Generator[Event, None, Known]:
    """What the model sees in the pictures of `data`; a generator of progress.

    Kept in the cache folder under each picture's sha256, so that the next time it is there at once. When `seconds`
    are over, those seen so far are what is known, drawn by chance. Raises `DataError` where none can be read, and
    `UsageError` where the network has no last layer.
    """
    from lensmith.features.kept import Kept
    from lensmith.store.store import decode_column

    until = time.monotonic() + seconds
    width = width_of(network)
    features, there = np.zeros((len(data), width), np.float32), np.zeros(len(data), bool)
    in_files = all(is_file(example.source) for example in data.examples)
    kept = Kept(_key(bundle), width) if store and in_files else None
    if kept is not None:
        features, there = kept.read(data.ids)
    missing = np.random.default_rng(0).permutation(np.flatnonzero(~there))
    for start in range(0, len(missing), _PIECE):
        if time.monotonic() > until and there.any():
            break
        yield Event("explain", "training pictures looked at", start, len(missing))
        rows = np.sort(missing[start : start + _PIECE])
        column = yield from decode_column(_part(data, rows), bundle.preprocess)
        if not len(column.rows):
            continue
        seen = yield from _seen(bundle, network, column.pixels)
        mine = rows[column.rows]
        # To 11 bits, as they are kept, so that the next time gives the same numbers.
        features[mine], there[mine] = seen.astype(np.float16), True
        if kept is not None:
            kept.write([data.examples[row].sha256 for row in mine.tolist()], seen)
    if not there.any():
        raise DataError(f"{data.name}: no picture can be read")
    return Known(features[there], _part(data, np.flatnonzero(there)), len(data))


def nearest_to(
    known: Known, bundle: Bundle, network: nn.Module, pixels: Pixels, *, sha256: str = "", count: int = 5
) -> list[Alike]:
    """The training pictures most like a prepared picture, uint8 [H, W, 3], the nearest first.

    sha256: of the picture's file, by which it is known again among them.
    """
    from lensmith.features.similar import nearest

    going = _seen(bundle, network, pixels[None])
    while True:
        try:
            next(going)
        except StopIteration as end:
            asked: Features = end.value
            break
    rows, cosines = nearest(asked, known.features, count)
    found = []
    for row, cosine in zip(rows[0].tolist(), cosines[0].tolist(), strict=True):
        example = known.data.examples[row]
        label, same = known.data.words(example.target), bool(sha256) and example.sha256 == sha256
        found.append(Alike(str(example.source), example.sha256, label, round(float(cosine), 4), same))
    return found


def width_of(network: nn.Module) -> int:
    """How many numbers the last layer is given of each picture."""
    from lensmith.models.heads import find_head

    layer: Any = find_head(network)[1]
    return int(getattr(layer, "in_features", 0) or layer.in_channels)


def _part(data: ImageDataset, rows: NDArray[np.int64]) -> ImageDataset:
    return data.with_examples([data.examples[row] for row in rows.tolist()])


def _seen(bundle: Bundle, network: nn.Module, pixels: Pixels) -> Generator[Event, None, Features]:
    from lensmith.features.embed import embed

    with _before_head(network) as backbone:
        features = yield from embed(backbone, pixels, bundle.preprocess)
    return features


@contextmanager
def _before_head(network: nn.Module) -> Iterator[Callable[[Tensor], Tensor]]:
    """A function from pictures to what the network's last layer is given, [N, D]."""
    from lensmith.models.heads import find_head

    given: list[Tensor] = []
    name, head = find_head(network)
    handle = head.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].detach()))

    def backbone(images: Tensor) -> Tensor:
        given.clear()
        network(images.contiguous())
        if not given:
            raise UsageError(f"{name}, which looks like the network's last layer, is never asked")
        # A last layer that is given places, or tokens, answers them one by one.
        if given[-1].ndim == 4:
            return given[-1].flatten(2).mean(2)
        return given[-1].mean(1) if given[-1].ndim == 3 else given[-1]

    try:
        yield backbone
    finally:
        handle.remove()


def _key(bundle: Bundle) -> str:
    """Named by what decides the numbers beside the picture."""
    from lensmith.bundle.facts import WEIGHTS
    from lensmith.store.store import VERSION

    steps = json.dumps(bundle.preprocess.as_dict(), sort_keys=True)
    words = f"alike {VERSION} {steps} {bundle.facts.model} {bundle.facts.files[WEIGHTS]}"
    return hashlib.sha256(words.encode()).hexdigest()[:24]
