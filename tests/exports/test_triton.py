"""A Triton model repository: what Triton reads of it says what the model does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command_line import tree
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from small_nets import scene, tied_net

from lensmith.bundle.bundle import Bundle
from lensmith.errors import AnswerIsNo, UsageError
from lensmith.exports import assembly
from lensmith.exports.triton import config, export_triton
from lensmith.pictures.preprocess import Preprocess

KINDS = {"TYPE_UINT8": 2, "TYPE_FP32": 11, "TYPE_STRING": 13, "TYPE_BOOL": 1}
ONNX_KINDS = {"TYPE_UINT8": "UINT8", "TYPE_FP32": "FLOAT", "TYPE_STRING": "STRING", "TYPE_BOOL": "BOOL"}


def schema() -> Any:
    """Triton's `ModelConfig`, as far as a file of ours may use it: any other field is refused by the parser."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="config.proto", package="triton", syntax="proto3")
    kinds = file.enum_type.add(name="DataType")
    kinds.value.add(name="TYPE_INVALID", number=0)
    for name, number in KINDS.items():
        kinds.value.add(name=name, number=number)

    def message(name: str, *fields: tuple[str, Any, bool]) -> None:
        made = file.message_type.add(name=name)
        for number, (word, kind, several) in enumerate(fields, 1):
            label = field.LABEL_REPEATED if several else field.LABEL_OPTIONAL
            one = made.field.add(name=word, number=number, label=label)
            if isinstance(kind, str):
                one.type = field.TYPE_ENUM if kind == "DataType" else field.TYPE_MESSAGE
                one.type_name = f".triton.{kind}"
            else:
                one.type = kind

    text, whole = field.TYPE_STRING, field.TYPE_INT64
    message("Reshape", ("shape", whole, True))
    message("Input", ("name", text, False), ("data_type", "DataType", False), ("dims", whole, True))
    message(
        "Output",
        ("name", text, False),
        ("data_type", "DataType", False),
        ("dims", whole, True),
        ("reshape", "Reshape", False),
        ("label_filename", text, False),
    )
    message("Batching", ("max_queue_delay_microseconds", whole, False))
    message("Value", ("string_value", text, False))
    message("Entry", ("key", text, False), ("value", "Value", False))
    message(
        "ModelConfig",
        ("name", text, False),
        ("backend", text, False),
        ("max_batch_size", field.TYPE_INT32, False),
        ("input", "Input", True),
        ("output", "Output", True),
        ("dynamic_batching", "Batching", False),
        ("parameters", "Entry", True),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("triton.ModelConfig"))


def shape(value: Any) -> list[int]:
    """What Triton takes a tensor of the model for: its dims, or those of `reshape`, behind the pictures."""
    is_reshaped = "reshape" in value.DESCRIPTOR.fields_by_name and value.HasField("reshape")
    return [-1, *(value.reshape.shape if is_reshaped else value.dims)]


@pytest.mark.parametrize(("task", "outputs"), [("classification", 3), ("multilabel", 3), ("regression", 1)])
def test_the_configuration_is_that_of_the_file(task: Any, outputs: int, tmp_path: Path) -> None:
    classes = ["a", "größe", '犬 "x"\n2'] if outputs > 1 else []
    bundle = Bundle(tied_net(outputs), preprocess=Preprocess(16), classes=classes, task=task)
    folder, parity = export_triton(bundle, tmp_path / "models", "größe 1/x", [scene(16, 16), scene(40, 33)])
    assert parity.count == 2 and parity.largest < 1e-5
    assert folder == tmp_path / "models/gr-e-1-x"
    said = text_format.Parse((folder / "config.pbtxt").read_text(encoding="utf-8"), schema()())
    assert said.name == folder.name and said.backend == "onnxruntime" and said.max_batch_size > 1
    graph = onnx.load(folder / "1/model.onnx").graph
    for values, tensors in ((said.input, graph.input), (said.output, graph.output)):
        assert [value.name for value in values] == [tensor.name for tensor in tensors]
        for value, tensor in zip(values, tensors, strict=True):
            kind = tensor.type.tensor_type
            name = next(word for word, number in KINDS.items() if number == value.data_type)
            assert kind.elem_type == getattr(onnx.TensorProto, ONNX_KINDS[name])
            assert shape(value) == [dim.dim_value or -1 for dim in kind.shape.dim], value.name
    if classes:
        assert said.output[0].label_filename == "labels.txt"
        lines = (folder / "labels.txt").read_text(encoding="utf-8").splitlines()
        assert lines == ["a", "größe", '犬 "x" 2']


def test_a_new_model_takes_the_place_of_the_old_and_of_no_other(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "other/1").mkdir(parents=True)
    (tmp_path / "other/config.pbtxt").write_text("of somebody else")
    for threshold in (0.5, 0.9):
        export_triton(bundle.with_facts(threshold=threshold), tmp_path, "net", [scene(16, 16)])
        files = sorted(name for name, digest in tree(tmp_path).items() if digest)
        assert files == ["net/1/model.onnx", "net/config.pbtxt", "net/labels.txt", "other/config.pbtxt"]
    said = (tmp_path / "net/config.pbtxt").read_text()
    assert re.search(bundle.with_facts(threshold=0.9).sha256, said)
    assert said == config(bundle.with_facts(threshold=0.9), "net")


def test_what_is_no_model_is_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/letter.txt").write_text("mine")
    with pytest.raises(UsageError, match="no Triton model"):
        export_triton(bundle, tmp_path, "net")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="cannot be written"):
        export_triton(bundle, tmp_path / "file", "net")
    assert sorted(name for name, digest in tree(tmp_path).items() if digest) == ["file", "net/letter.txt"]


def test_a_model_that_answers_otherwise_leaves_nothing(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = assembly.onnx_file(bundle.with_facts(temperature=0.5))
    monkeypatch.setattr(assembly, "onnx_file", lambda *parts: wrong)
    with pytest.raises(AnswerIsNo, match="differs from its source"):
        export_triton(bundle, tmp_path / "models", "net", [scene(16, 16), np.zeros((9, 9), np.uint8)])
    assert not (tmp_path / "models").exists()
