"""Asks an exported file as a stranger does. Run as a script, it imports nothing of lensmith, but for a `.lens`.

    python consumer.py onnx FILE < pictures > answers

A picture is its height and width, little-endian uint32, and its pixels, uint8 [height, width, 3]. The answers are
one array in numpy's format, float32 [pictures, outputs].
"""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

Ask = Callable[[Any], Any]


def pictures_from(stream: BinaryIO) -> Iterator[Any]:
    """The pictures one after another, each uint8 [1, H, W, 3]."""
    while head := stream.read(8):
        height, width = struct.unpack("<II", head)
        yield np.frombuffer(stream.read(height * width * 3), np.uint8).reshape(1, height, width, 3)


def open_onnx(file: str) -> Ask:
    """ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run([session.get_outputs()[0].name], {"images": images})[0]


def open_pt2(file: str) -> Ask:
    """torch.export.load."""
    import torch

    with Path(file).open("rb") as content:
        program = torch.export.load(content).module()
    return lambda images: program(torch.from_numpy(images.copy())).detach().numpy()


def open_lens(file: str) -> Ask:
    """A bundle, which is lensmith's own."""
    from lensmith.bundle.answers import scores
    from lensmith.bundle.bundle import load_model

    bundle = load_model(file)
    return lambda images: scores(bundle.logits(bundle.preprocess(images[0])[None]), bundle.facts)


OPENERS: dict[str, Callable[[str], Ask]] = {"onnx": open_onnx, "pt2": open_pt2, "lens": open_lens}


def main(kind: str, file: str) -> None:
    """Answer every picture on stdin."""
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # what a package prints is no answer
    ask = OPENERS[kind](file)
    rows = [np.asarray(ask(images), np.float32).reshape(-1) for images in pictures_from(sys.stdin.buffer)]
    buffer = io.BytesIO()
    np.save(buffer, np.stack(rows) if rows else np.empty((0, 0), np.float32), allow_pickle=False)
    answers.write(buffer.getvalue())
    answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
