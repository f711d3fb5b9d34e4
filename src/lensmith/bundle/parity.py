"""Whether an exported model answers as its source does, on real pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lensmith.bundle.answers import scores
from lensmith.bundle.bundle import Bundle
from lensmith.bundle.engines import import_onnxruntime
from lensmith.errors import AnswerIsNo
from lensmith.pictures.reading import pixels_of

PROBABILITY = 0.005
"""The largest difference of a probability that passes."""
CLOSE = 0.01
"""Where the source's own top two are nearer than this, another label is no difference."""


@dataclass(frozen=True)
class Parity:
    """A comparison: pictures, the largest difference of a probability and where, labels that differ."""

    count: int
    largest: float
    worst: str
    other_labels: tuple[str, ...]

    def insist(self) -> None:
        """Raise `AnswerIsNo`, naming the worst picture, where the two do not answer alike."""
        if self.largest > PROBABILITY or self.other_labels:
            labels = f"; another label for {len(self.other_labels)}" if self.other_labels else ""
            raise AnswerIsNo(
                f"the exported model differs from its source by {self.largest:.4f} on {self.worst}{labels}",
                hint=f"At most {PROBABILITY} is let through. Nothing was written.",
            )


def compare(bundle: Bundle, content: bytes, pictures: Sequence[Any]) -> Parity:
    """Run an exported ONNX file and its source on the same pictures, each decoded once."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    output = "value" if bundle.task == "regression" else "probabilities"
    largest, worst, other = 0.0, "no picture", []
    for number, picture in enumerate(pictures, 1):
        name = str(picture) if isinstance(picture, str | Path) else f"picture {number}"
        pixels = pixels_of(picture, first_frame=True)
        source = scores(bundle.logits(bundle.preprocess(pixels)[None]), bundle.facts)[0]
        exported = session.run([output], {"images": pixels[None]})[0].reshape(-1)
        # A number is compared in its own size, a probability as it is.
        unit = max(1.0, float(np.abs(source).max())) if bundle.task == "regression" else 1.0
        difference = float(np.abs(source - exported).max()) / unit
        difference = math.inf if math.isnan(difference) else difference
        if difference >= largest:
            largest, worst = difference, name
        second, best = np.sort(source)[-2:] if len(source) > 1 else (0.0, 1.0)
        if source.argmax() != exported.argmax() and best - second > CLOSE:
            other.append(name)
    return Parity(len(pictures), float(np.round(largest, 9)), worst, tuple(other))
