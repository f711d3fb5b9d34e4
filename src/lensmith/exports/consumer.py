"""Asks an exported file as a stranger does. Run as a script, it imports nothing of lensmith, but for a `.lens`.

    python consumer.py onnx FILE < pictures > answers

A picture is its height and width, little-endian uint32, and its pixels, uint8 [height, width, 3]. The answers are
one array in numpy's format, float32 [pictures, outputs + 1]: probabilities, and 1 where it is sure, else 0; of a
regression the value and 1.
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
    names = [output.name for output in session.get_outputs()]
    return lambda images: _row(*session.run([name for name in names if name != "label"], {"images": images}))


def open_pt2(file: str) -> Ask:
    """torch.export.load."""
    import torch

    with Path(file).open("rb") as content:
        program = torch.export.load(content).module()

    def ask(images: Any) -> Any:
        with torch.no_grad():
            answers = program(torch.from_numpy(images.copy()))
        answers = answers if isinstance(answers, tuple) else (answers,)
        return _row(*[answer.numpy() for answer in answers])

    return ask


def open_lens(file: str) -> Ask:
    """A bundle, which is lensmith's own."""
    from lensmith.bundle.bundle import load_model

    bundle = load_model(file)

    def ask(images: Any) -> Any:
        prepared = bundle.preprocess(images[0])[None]
        sure = [one.sure or one.value is not None for one in bundle.predict_prepared(prepared)]
        return _row(bundle.scores(prepared), np.array(sure))

    return ask


def _row(values: Any, sure: Any = True) -> Any:
    return np.append(np.asarray(values, np.float32).reshape(-1), np.float32(np.asarray(sure).reshape(-1)[0]))


OPENERS: dict[str, Callable[[str], Ask]] = {"onnx": open_onnx, "pt2": open_pt2, "lens": open_lens}


def main(kind: str, file: str) -> None:
    """Answer every picture on stdin."""
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # what a package prints is no answer
    ask = OPENERS[kind](file)
    rows = [ask(images) for images in pictures_from(sys.stdin.buffer)]
    buffer = io.BytesIO()
    np.save(buffer, np.stack(rows) if rows else np.empty((0, 0), np.float32), allow_pickle=False)
    answers.write(buffer.getvalue())
    answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
