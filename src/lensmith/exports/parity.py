"""Whether an exported file answers as its source does, on real pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lensmith.bundle.answers import answers, scores
from lensmith.bundle.bundle import Bundle
from lensmith.errors import AnswerIsNo
from lensmith.exports.elsewhere import elsewhere
from lensmith.pictures.decode import Pixels
from lensmith.pictures.reading import pixels_of

PROBABILITY = 0.005
"""The largest difference of a probability that passes."""
CLOSE = 0.01
"""Where the source's own top two are nearer than this, another label is no difference, once in `SOME`; so near to the
threshold, or to the limit of what is like the training pictures, it is none whether a picture counts as sure."""
SOME = 1000

Row = NDArray[np.floating[Any]]


class Source(NamedTuple):
    """What the source says of a picture: scores [outputs], whether it is sure, and whether that was close."""

    row: Row
    sure: bool
    is_close: bool


@dataclass(frozen=True)
class Parity:
    """A comparison: pictures, the largest difference of a probability and where, labels that differ.

    answers: what the exported file and what the source said of the worst. other_labels: pictures of which the
    file says something else; close_labels: how many more, where the source was undecided. other_sure: those that
    one is sure of and the other is not. drawn: no real pictures were at hand.
    """

    count: int
    largest: float
    worst: str
    other_labels: tuple[str, ...]
    answers: tuple[str, str] = ("", "")
    close_labels: int = 0
    other_sure: tuple[str, ...] = ()
    drawn: bool = field(default=False)

    def insist(self, probability: float = PROBABILITY, others: float = 0.0) -> None:
        """Raise `AnswerIsNo`, naming the worst picture, where the two do not answer alike.

        others: the share of other labels that is let through.
        """
        far = len(self.other_labels)
        if (
            self.largest <= probability
            and far <= others * self.count
            and self.close_labels <= max(1, self.count // SOME)
        ):
            self._insist_on_sure(others)
            return
        labels = (
            f"; another label for {far + self.close_labels} of {self.count}"
            if far or self.close_labels
            else ""
        )
        raise AnswerIsNo(
            f"the exported model differs from its source by {self.largest:.4f} on {self.worst}: "
            f"{self.answers[0]}, and the source says {self.answers[1]}{labels}",
            hint=f"At most {probability} is let through. Nothing was written.",
        )

    def _insist_on_sure(self, others: float) -> None:
        if len(self.other_sure) > others * self.count:
            raise AnswerIsNo(
                f"the exported model is sure of {self.other_sure[0]} and its source is not, or the other way round; "
                f"that is so of {len(self.other_sure)} of {self.count} pictures",
                hint="Nothing was written.",
            )


def compare(bundle: Bundle, kind: str, file: Path, pictures: Sequence[Any]) -> Parity:
    """Run an exported file in a process of its own, and its source here, on the same decoded pictures.

    kind: onnx, pt2 or lens. Where no picture is given, some are drawn.
    """
    shown = pictures if len(pictures) else drawn_pictures(bundle.preprocess.size)
    names: list[str] = []
    sources: list[Source] = []
    with elsewhere(kind, file) as stranger:
        for number, picture in enumerate(shown, 1):
            pixels = pixels_of(picture, first_frame=True)
            stranger.show(pixels)
            names.append(str(picture) if isinstance(picture, str | Path) else f"picture {number}")
            sources.append(_source(bundle, bundle.preprocess(pixels)))
        exported = stranger.answers()
    return _compared(bundle, names, sources, exported, drawn=not len(pictures))


def _source(bundle: Bundle, pixels: Pixels) -> Source:
    logits, distances = bundle.look(pixels[None])
    row = scores(logits, bundle.facts)[0]
    if bundle.task == "regression":
        return Source(row, True, False)
    said = answers(logits, bundle.facts)[0]
    sure, near = said.sure, abs(said.probability - bundle.facts.threshold) <= CLOSE
    if (
        bundle.facts.label_thresholds is not None
    ):  # a label that is just said, or just not, is as sure of the other
        near = near or bool((np.abs(row - bundle.facts.label_thresholds) <= CLOSE).any())
    if distances is not None and bundle.neighbours is not None:
        sure = sure and not bundle.neighbours.are_unlike(distances)[0]
        near = near or bool(abs(distances[0] - bundle.neighbours.limit) <= CLOSE)
    return Source(row, sure, near)


def _compared(
    bundle: Bundle, names: list[str], sources: list[Source], exported: Row, *, drawn: bool
) -> Parity:
    source = np.stack([one.row for one in sources])
    if exported.shape != (len(source), source.shape[1] + 1):
        raise AnswerIsNo(f"the exported file gives {exported.shape} for {source.shape}")
    exported, sure = exported[:, :-1], exported[:, -1] > 0
    pairs = zip(names, sources, sure.tolist(), strict=True)
    other_sure = tuple(name for name, one, found in pairs if one.sure != found and not one.is_close)
    difference = np.abs(source - exported).max(1)
    if bundle.task == "regression":  # a number is compared in its own size, a probability as it is
        difference = difference / np.maximum(1.0, np.abs(source).max(1))
    difference = np.where(np.isnan(difference), math.inf, difference)
    other: list[str] = []
    close = 0
    if source.shape[1] > 1:
        best = np.sort(source, axis=1)[:, -2:]
        for row in np.flatnonzero(source.argmax(1) != exported.argmax(1)):
            if best[row, 1] - best[row, 0] > CLOSE:
                other.append(names[row])
            else:
                close += 1
    worst = int(difference.argmax())
    words = _words(bundle, exported[worst], source[worst]), _words(bundle, source[worst], source[worst])
    largest = float(np.round(difference[worst], 9))
    return Parity(len(names), largest, names[worst], tuple(other), words, close, other_sure, drawn)


def _words(bundle: Bundle, row: Row, source: Row) -> str:
    """An answer in short: the likeliest name, with that of the source beside it where it is another."""
    if bundle.task == "regression":
        return f"{row[0]:.5g}"
    found, wanted = int(row.argmax()), int(source.argmax())
    beside = f" ({bundle.classes[wanted]} {row[wanted]:.4f})" if found != wanted else ""
    return f"{bundle.classes[found]} {row[found]:.4f}{beside}"


def drawn_pictures(size: tuple[int, int]) -> list[Pixels]:
    """Waves, uint8, in sizes about that which the network takes: for a model whose pictures are not at hand."""
    draw = np.random.default_rng(0)
    found = []
    for ratio in (0.5, 0.8, 1.0, 1.3, 2.1, 3.0):
        height, width = round(size[0] * ratio), round(size[1] * ratio * draw.uniform(0.7, 1.4))
        y, x = np.mgrid[0 : max(4, height), 0 : max(4, width)] / max(height, width)
        turns, starts = draw.uniform(2, 12, (2, 3)), draw.uniform(0, 6, 3)
        waves = np.sin(y[..., None] * turns[0] + x[..., None] * turns[1] + starts)
        found.append((127.5 + 127 * waves).astype(np.uint8))
    return found
