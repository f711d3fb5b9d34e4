"""A Triton model repository: `DIR/NAME/` with config.pbtxt, labels.txt and 1/model.onnx."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.storage import take_place
from lensmith.errors import UsageError
from lensmith.exports.export import checked
from lensmith.exports.parity import Parity
from lensmith.runs.files import write_bytes, write_text

if TYPE_CHECKING:
    from lensmith.exports.int8 import Quantised

CONFIG, LABELS, MODEL = "config.pbtxt", "labels.txt", "1/model.onnx"
_AT_ONCE = 16
"""Pictures of one size that the server may gather into a call."""


def export_triton(
    bundle: Bundle,
    repository: str | Path,
    name: str,
    pictures: Sequence[Any] = (),
    *,
    int8: Quantised | None = None,
) -> tuple[Path, Parity]:
    """Write a bundle into a Triton model repository, beside other models; an older one of that name goes.

    The file is the ONNX file of `export`, checked as there. Returns the model's folder and the comparison.
    Raises `AnswerIsNo` beyond tolerance, and then nothing stands there.
    """
    from lensmith.exports.assembly import onnx_file

    folder = Path(repository) / model_name(name)
    _refuse_others(folder)
    content = onnx_file(bundle, None if int8 is None else int8.graph)
    bundle.engine  # noqa: B018  # as in `export`
    try:
        made = not folder.parent.exists()
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            beside.chmod(0o755)
            write_bytes(beside / MODEL, content)
            write_text(beside / CONFIG, config(bundle, folder.name))
            if bundle.classes:
                write_text(beside / LABELS, "".join(f"{_line(name)}\n" for name in bundle.classes))
            parity = checked(bundle, "onnx", beside / MODEL, pictures, int8)
            take_place(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
            if made and not any(folder.parent.iterdir()):
                folder.parent.rmdir()
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return folder, parity


def model_name(word: str) -> str:
    """A name that Triton takes in a URL: letters, digits, dot, dash and underscore."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", word).strip("-.") or "model"


def config(bundle: Bundle, name: str) -> str:
    """`config.pbtxt`: what goes in and what comes out, as the ONNX file has it."""
    outputs = _outputs(bundle)
    return f"""name: {json.dumps(name)}
backend: "onnxruntime"
max_batch_size: {_AT_ONCE}
input [
  {{ name: "images" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] }}
]
output [
  {("," + chr(10) + "  ").join(outputs)}
]
dynamic_batching {{ }}
parameters {{ key: "lensmith.task" value: {{ string_value: "{bundle.task}" }} }}
parameters {{ key: "lensmith.sha256" value: {{ string_value: "{bundle.sha256}" }} }}
"""


def _outputs(bundle: Bundle) -> list[str]:
    # A number for each picture has no axis of its own, which Triton writes as a reshape.
    single = "dims: [ 1 ] reshape: { shape: [ ] }"
    if bundle.task == "regression":
        return [f'{{ name: "value" data_type: TYPE_FP32 {single} }}']
    return [
        f'{{ name: "probabilities" data_type: TYPE_FP32 dims: [ {len(bundle.classes)} ]'
        f' label_filename: "{LABELS}" }}',
        f'{{ name: "label" data_type: TYPE_STRING {single} }}',
        f'{{ name: "sure" data_type: TYPE_BOOL {single} }}',
    ]


def _refuse_others(folder: Path) -> None:
    """What is there already has to be such a model, since it goes."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CONFIG).is_file():
        raise UsageError(f"{folder} holds something that is no Triton model", hint="Name another folder.")


def _line(name: str) -> str:
    return " ".join(name.splitlines())
