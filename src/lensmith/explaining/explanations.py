"""A few of the measured pictures explained: where the model was surest and wrong, and surest and right."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensmith.bundle.bundle import Bundle
from lensmith.data.dataset import ImageDataset
from lensmith.errors import LensmithError, PictureError
from lensmith.evaluation.intervals import Value, proportion
from lensmith.evaluation.withheld import Withheld
from lensmith.explaining.alike import Alike, Known, look_at, nearest_to
from lensmith.explaining.explain import Explained, explain, network_of, why_covered
from lensmith.pictures.preprocess import Preprocess
from lensmith.runs.predictions import Predictions
from lensmith.types import Event

if TYPE_CHECKING:
    from torch import nn

MOST = 8
SECONDS = 60.0
_LOOKING = 0.4
"""Share of the time that goes at most into looking at the training pictures."""
_ALIKE = 3


@dataclass(frozen=True)
class Picture:
    """One picture explained. shows: its label; said: the answer; label: what the map is about, "" of a number."""

    file: str
    sha256: str
    shows: str
    said: str
    label: str
    is_right: bool
    explained: Explained
    alike: list[Alike]

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "file": self.file,
            "sha256": self.sha256,
            "shows": self.shows,
            "said": self.said,
            "label": self.label,
            "is_right": self.is_right,
            **self.explained.as_dict(),
            "nearest": [one.as_dict() for one in self.alike],
        }


@dataclass(frozen=True)
class Explanations:
    """Some measured pictures explained.

    preprocess: what of each picture the maps lie on. without: why no layer of the network was used, or no training
    picture found, "" where they were. of: how many pictures were chosen; fewer are done where time was up.
    """

    pictures: list[Picture]
    preprocess: Preprocess
    of: int
    without: tuple[str, ...] = ()

    @property
    def trusted(self) -> Value:
        """The share of the maps that hold."""
        return proportion(sum(one.explained.trust.holds for one in self.pictures), len(self.pictures))

    def verdict(self) -> str:
        """One sentence for a person."""
        share, count = self.trusted, len(self.pictures)
        holding = round(share.value * count)
        between = f"{share.low:.0%} to {share.high:.0%}"
        draws = len(self.pictures[0].explained.trust.random)
        said = f"{holding} of {count} heat maps ({between}) hold when what they mark is hidden"
        return f"{said}: better than nearly all of {draws} random ones; the others say so"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "verdict": self.verdict(),
            "trusted": self.trusted.as_dict(),
            "of": self.of,
            "without": list(self.without),
            "preprocess": self.preprocess.as_dict(),
            "pictures": [one.as_dict() for one in self.pictures],
        }


def explanations(
    bundle: Bundle,
    predictions: Predictions,
    data: ImageDataset,
    train: ImageDataset | None,
    *,
    most: int = MOST,
    seconds: float = SECONDS,
    store: bool = True,
) -> Generator[Event, None, Explanations | Withheld]:
    """Explain some of the measured pictures; a generator of progress.

    predictions: of `data`, by sha256. train: what the model learned from, None where it is not to be had. At least
    one picture is done, however little time there is.
    """
    until = time.monotonic() + seconds
    if not np.isfinite(predictions.logits).all():
        return Withheld("explanations", "the model gives what is no number: its training diverged")
    index = {sha256: row for row, sha256 in enumerate(data.ids)}
    chosen = [one for one in chosen_rows(predictions, bundle, most) if str(predictions.ids[one[0]]) in index]
    network, why = network_of(bundle)
    covered = why_covered(network, why)
    without = [f"Parts are covered instead of asking a layer of the network: {covered}"] if covered else []
    known = None
    if network is not None and train is not None:
        try:
            known = yield from look_at(bundle, network, train, store=store, seconds=_LOOKING * seconds)
        except LensmithError as error:
            without.append(f"No training pictures beside them: {error.message}")
    done = []
    for number, (row, output, is_right) in enumerate(chosen):
        example = data.examples[index[str(predictions.ids[row])]]
        try:
            pixels = bundle.prepare(data.pixels(index[str(predictions.ids[row])]))
        except PictureError:
            continue
        explained = explain(bundle, pixels, output, network=network)
        alike = _alike(known, bundle, network, pixels)
        label = bundle.classes[output] if bundle.classes else ""
        names = data.words(example.target), bundle.predict_prepared(pixels[None])[0].label, label
        file = str(example.source) if isinstance(example.source, Path) else ""
        done.append(Picture(file, example.sha256, *names, is_right, explained, alike))
        if time.monotonic() > until:
            break
        if number + 1 < len(chosen):
            yield Event("explain", "pictures", number + 1, len(chosen))
    if not done:
        return Withheld("explanations", f"none of {len(chosen)} pictures can be read")
    return Explanations(done, bundle.preprocess, len(chosen), tuple(without))


def chosen_rows(predictions: Predictions, bundle: Bundle, most: int) -> list[tuple[int, int, bool]]:
    """(row, output, whether it is right) of the pictures to explain: half of them the surest mistakes, half the
    surest right answers, of each label in turn; where there are too few of one kind, more of the other."""
    logits, targets = predictions.logits.astype(np.float64), predictions.targets
    rows = np.arange(len(logits))
    if bundle.task == "regression":
        sure = np.abs(logits[:, 0] - targets.astype(np.float64).reshape(-1))
        order, half = rows[np.argsort(-sure, kind="stable")], most // 2
        worst = order[:half].tolist()
        return [(row, 0, False) for row in worst] + [
            (row, 0, True) for row in order[half:][::-1][:half].tolist()
        ]
    if bundle.task == "multilabel":
        wrong = (logits >= 0) != targets.astype(bool)
        outputs = np.where(wrong.any(1), np.where(wrong, np.abs(logits), -1).argmax(1), logits.argmax(1))
        sure, right = np.abs(logits[rows, outputs]), ~wrong.any(1)
    else:
        outputs = logits.argmax(1)
        others = logits - logits[rows, outputs][:, None]
        others[rows, outputs] = -np.inf
        # Without rounding: of many pictures the probability is 1 in every digit.
        sure, right = -np.log(np.exp(others).sum(1) + 1e-300), outputs == targets
    mistakes = _in_turn(rows[~right], outputs, sure, most)
    hits = _in_turn(rows[right], outputs, sure, most)
    first = mistakes[: max(most // 2, most - len(hits))]
    return [(row, int(outputs[row]), False) for row in first] + [
        (row, int(outputs[row]), True) for row in hits[: most - len(first)]
    ]


def _in_turn(rows: NDArray[Any], outputs: NDArray[Any], sure: NDArray[Any], most: int) -> list[int]:
    """The surest rows, one of each output first, then the second of each, and so on."""
    order = rows[np.argsort(-sure[rows], kind="stable")].tolist()
    rank: dict[int, int] = {}
    turns = []
    for place, row in enumerate(order):
        output = int(outputs[row])
        rank[output] = rank.get(output, -1) + 1
        turns.append((rank[output], place, row))
    return [row for _, _, row in sorted(turns)[:most]]


def _alike(known: Known | None, bundle: Bundle, network: nn.Module | None, pixels: Any) -> list[Alike]:
    if known is None or network is None:
        return []
    return nearest_to(known, bundle, network, pixels, count=_ALIKE)
