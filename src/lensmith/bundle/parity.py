"""Whether an exported model answers as its source does, on real pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lensmith.bundle.bundle import Bundle
from lensmith.data.pictures import pixels_of
from lensmith.errors import AnswerIsNo

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
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    largest, worst, other = 0.0, "no picture", []
    for number, picture in enumerate(pictures, 1):
        name = str(picture) if isinstance(picture, str | Path) else f"picture {number}"
        pixels = pixels_of(picture, first_frame=True)
        source = bundle.predict_prepared(bundle.preprocess(pixels)[None])[0]
        probabilities, labels, _ = session.run(["probabilities", "label", "sure"], {"images": pixels[None]})
        exported = dict(zip(bundle.classes, probabilities[0].tolist(), strict=True))
        difference = max(abs(exported[name] - probability) for name, probability in source.top)
        if difference >= largest:
            largest, worst = difference, name
        gap = source.top[0][1] - source.top[1][1] if len(source.top) > 1 else 1.0
        if labels[0] != source.label and gap > CLOSE:
            other.append(name)
    return Parity(len(pictures), float(np.round(largest, 9)), worst, tuple(other))
