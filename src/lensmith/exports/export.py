"""Export: one file from pixels to an answer, written beside, compared with its source, and only then named."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.storage import SUFFIX, write_zip
from lensmith.errors import UsageError
from lensmith.exports.parity import PROBABILITY, Parity, compare
from lensmith.runs.files import beside

if TYPE_CHECKING:
    from lensmith.exports.int8 import Quantised

KINDS = {".onnx": "onnx", ".pt2": "pt2", SUFFIX: "lens"}


def export(
    bundle: Bundle, path: str | Path, pictures: Sequence[Any] = (), *, int8: Quantised | None = None
) -> Parity:
    """Write a bundle as `.onnx`, `.pt2` or `.lens`, the suffix decides.

    The ONNX file takes `images` uint8 [N, H, W, 3], RGB, of any one size a call, and gives `probabilities`
    float32 [N, C], `label` string [N] (the likeliest) and `sure` bool [N], or for regression `value`
    float32 [N]; the `.pt2` file takes the same and gives the probabilities or values. Resizing, normalisation
    and temperature are inside. int8: the network in 8 bits, for `.onnx`.

    What was written is asked about `pictures` by a process of its own and compared with the bundle; returns
    the comparison. Raises `AnswerIsNo` beyond tolerance, and then nothing stands there.
    """
    path = Path(path)
    if path.suffix not in KINDS:
        raise UsageError(f"{path}: what to write is told by the suffix", hint="It is .onnx, .pt2 or .lens.")
    if int8 is not None and path.suffix != ".onnx":
        raise UsageError(f"{path}: 8 bits are written as .onnx alone")
    fill = _filler(bundle, path.suffix, int8)
    bundle.engine  # noqa: B018  # what it is compared with is opened before anything is written
    try:
        with beside(path) as temporary:
            fill(temporary)
            return checked(bundle, KINDS[path.suffix], temporary, pictures, int8)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from error


def checked(
    bundle: Bundle, kind: str, file: Path, pictures: Sequence[Any], int8: Quantised | None = None
) -> Parity:
    """Compare a file that was written with its source; raises `AnswerIsNo` beyond tolerance."""
    parity = compare(bundle, kind, file, pictures)
    if int8 is None:
        parity.insist(PROBABILITY)
    else:
        parity.insist(1.0, int8.others)
    return parity


def _filler(bundle: Bundle, suffix: str, int8: Quantised | None) -> Callable[[Path], None]:
    """What writes the file; all that can be refused is refused before anything is written."""
    if suffix == SUFFIX:
        return lambda file: write_zip(file, bundle.facts, bundle.files)
    if suffix == ".pt2":
        from lensmith.exports.program import program_file

        content = program_file(bundle)
    else:
        from lensmith.exports.assembly import onnx_file

        content = onnx_file(bundle, None if int8 is None else int8.graph)
    return lambda file: write_synced(file, content)


def write_synced(file: Path, content: bytes) -> None:
    """Write bytes that are on the disk when this returns."""
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
