"""What a model loses on pictures that are compressed, blurred, dark, tilted or noisy."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.engines import Logits
from lensmith.bundle.measure import targets_of
from lensmith.data.dataset import ImageDataset
from lensmith.data.stratified import stratified_rows
from lensmith.errors import PictureError
from lensmith.evaluation.comparison import Comparison, Measured, compare
from lensmith.evaluation.intervals import Value
from lensmith.evaluation.metrics import measure
from lensmith.evaluation.withheld import Withheld
from lensmith.pictures.decode import Pixels
from lensmith.pictures.disturb import DISTURBANCES, Disturbance
from lensmith.pictures.preprocess import Preprocess
from lensmith.runs.predictions import Predictions
from lensmith.types import Event

MOST = 200
"""Pictures that are disturbed."""
SECONDS = 60.0
UNDISTURBED = "as they are"


@dataclass(frozen=True)
class Disturbed:
    """The figure on pictures disturbed in one way.

    lost: to the undisturbed ones, above 0 where it is worse; chance: of such a difference were there none; is_clear:
    whether it is no luck, all ways taken together.
    """

    name: str
    value: Value
    lost: Value
    chance: float
    is_clear: bool

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        figures = {"value": self.value.as_dict(), "lost": self.lost.as_dict()}
        return {"name": self.name, **figures, "p": self.chance, "is_clear": self.is_clear}


@dataclass(frozen=True)
class Robustness:
    """figure: what is measured; value: on the pictures as they are; kinds: each way to disturb them.

    asked: pictures that were chosen; fewer were done where time was up. skipped: chosen ones that cannot be read.
    example: (file, sha256) of one of them, "" where it lies in no file.
    """

    figure: str
    value: Value
    kinds: list[Disturbed]
    asked: int
    skipped: int
    example: tuple[str, str]

    def verdict(self) -> str:
        """One sentence for a person."""
        worst = max(
            self.kinds, key=lambda kind: -math.inf if math.isnan(kind.lost.value) else kind.lost.value
        )
        most = f"the most of {len(self.kinds)} disturbances"
        on = f"on {self.value.count:,} pictures"
        if self.value.count + self.skipped < self.asked:
            on += f" (of {self.asked:,}: time was up)"
        if not worst.is_clear or worst.lost.value <= 0:
            return f"no disturbance costs more than chance would {on}; {most}, {self._cost(worst)} at {worst.name}"
        clear = [
            kind.name for kind in self.kinds if kind.is_clear and kind.lost.value > 0 and kind is not worst
        ]
        others = f"; clearly also at {', '.join(clear)}" if clear else "; no other loss is clear"
        return f"loses {self._cost(worst)} at {worst.name}, {most}, {on}{others}"

    def _cost(self, kind: Disturbed) -> str:
        share = self.figure == "accuracy"
        scale, form = (100, ".1f") if share else (1, ".3f")
        low, high = kind.lost.low, kind.lost.high
        between = (
            "no interval" if low is None or high is None else f"{scale * low:{form}} to {scale * high:{form}}"
        )
        return f"{scale * kind.lost.value:{form}}{' points' if share else f' of {self.figure}'} ({between})"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "verdict": self.verdict(),
            "figure": self.figure,
            "value": self.value.as_dict(),
            "asked": self.asked,
            "skipped": self.skipped,
            "example": list(self.example),
            "kinds": [kind.as_dict() for kind in self.kinds],
        }


def robustness(
    bundle: Bundle,
    data: ImageDataset,
    *,
    most: int = MOST,
    seconds: float = SECONDS,
    seed: int = 0,
    kinds: Sequence[Disturbance] = DISTURBANCES,
) -> Generator[Event, None, Robustness | Withheld]:
    """Disturb some pictures in every way and ask the model again; a generator of progress.

    Each picture is disturbed at the size at which the model looks at it (or its own, where that is smaller), before
    the crop. All ways are done on one picture before the next, in an order drawn by the seed, so that what is there
    when the time is up is a fair part; at least one picture is done.
    """
    rows = np.random.default_rng(seed).permutation(stratified_rows(data.targets, most, seed)).tolist()
    until = time.monotonic() + seconds
    outputs: list[Logits] = []
    done: list[int] = []
    skipped = 0
    for number, row in enumerate(rows):
        try:
            pictures = _disturbed(data.pixels(row), bundle.preprocess, kinds, row)
        except PictureError:
            skipped += 1
            continue
        outputs.append(bundle.logits(pictures))
        done.append(row)
        if time.monotonic() > until:
            break
        if number + 1 < len(rows):
            yield Event("robustness", "pictures", number + 1, len(rows))
    if not done:
        return Withheld("robustness", f"none of {len(rows):,} pictures can be read")
    used = data.with_examples([data.examples[row] for row in done])
    logits = np.stack(outputs, axis=1) / np.float32(bundle.facts.temperature)
    measured = _compared(bundle, used, logits, [kind.name for kind in kinds])
    return dataclasses.replace(measured, asked=len(rows), skipped=skipped)


def at_model_size(pixels: Pixels, preprocess: Preprocess) -> Pixels:
    """A larger picture as it is just before the crop: the model's own steps then give what they always give."""
    height, width = preprocess.resized_to(*pixels.shape[:2])
    if height * width >= pixels.shape[0] * pixels.shape[1]:
        return pixels
    return dataclasses.replace(preprocess, size=(height, width), fit="squish", resize=None)(pixels)


def _disturbed(pixels: Pixels, preprocess: Preprocess, kinds: Sequence[Disturbance], seed: int) -> Pixels:
    """The picture as it is and in every way: uint8 [1 + kinds, H, W, 3], as the model sees it."""
    pixels = at_model_size(pixels, preprocess)
    changed = [preprocess(kind.change(pixels, seed)) for kind in kinds]
    return np.stack([preprocess(pixels), *changed])


def _compared(bundle: Bundle, data: ImageDataset, logits: Logits, names: Sequence[str]) -> Robustness:
    targets = targets_of(bundle, data)
    # Not the sha256: equal pictures would then be matched by their order, and each is beside itself here.
    ids = np.array([str(number) for number in range(len(data))])
    files = np.array([str(example.source) for example in data.examples])

    def measured(name: str, said: Logits) -> Measured:
        predictions = Predictions(ids, targets, said, np.full(len(ids), ""), files)
        return Measured(name, bundle.task, bundle.classes, predictions)

    runs = [measured(name, said) for name, said in zip((UNDISTURBED, *names), logits, strict=True)]
    values, beside = [_main(bundle, targets, said) for said in logits], compare(runs)
    kinds = [_told(value, one) for value, one in zip(values[1:], beside, strict=True)]
    first = data.examples[0]
    example = (str(first.source), first.sha256) if isinstance(first.source, Path) else ("", "")
    return Robustness(beside[0].figure, values[0], kinds, len(data), 0, example)


def _main(bundle: Bundle, targets: NDArray[Any], logits: Logits) -> Value:
    report = measure(logits, targets, bundle.classes, bundle.task)
    return report[report.main]


def _told(value: Value, beside: Comparison) -> Disturbed:
    lost = beside.difference
    if beside.figure == "mae":  # more of it is worse
        low, high = lost.low, lost.high
        lost = Value(
            -lost.value, None if high is None else -high, None if low is None else -low, lost.count, lost.why
        )
    return Disturbed(beside.second, value, lost, beside.chance, beside.better is not None)
