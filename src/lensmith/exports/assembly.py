"""The whole model as one ONNX file: preprocessing, network with its weights, answer."""

from __future__ import annotations

import json

import onnx
from onnx import TensorProto, helper

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.facts import GRAPH, WEIGHTS
from lensmith.bundle.graph import OPSET
from lensmith.errors import ModelFileError
from lensmith.exports.answer_nodes import answer_nodes
from lensmith.exports.resize import resize_nodes


def onnx_file(bundle: Bundle, core: onnx.ModelProto | None = None) -> bytes:
    """One file from pixels of any size to a named answer. core: the network, where it is not that of the bundle."""
    core = network_graph(bundle) if core is None else core
    before, constants = resize_nodes(bundle.preprocess, "images", "prepared")
    after, more = answer_nodes(bundle, {output.name for output in core.graph.output})
    nodes = [*before, *_renamed(core.graph, {"images": "prepared"}), *after]
    graph = helper.make_graph(
        nodes,
        "lensmith",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", "H", "W", 3])],
        _outputs(bundle),
        [*core.graph.initializer, *constants, *more],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=core.ir_version,
        producer_name="lensmith",
    )
    model.functions.extend(core.functions)
    helper.set_model_props(
        model,
        {
            "lensmith.classes": json.dumps(bundle.classes, ensure_ascii=False),
            "lensmith.task": bundle.task,
            **_said_from(bundle),
            "lensmith.sha256": bundle.sha256,
            "lensmith.provenance": json.dumps(bundle.facts.provenance),
        },
    )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ModelFileError(f"the bundle's graph cannot be made part of a file ({error})") from error
    content: bytes = model.SerializeToString()
    return content


def _said_from(bundle: Bundle) -> dict[str, str]:
    """From which probability on each label is said, where that is not one half."""
    limits = bundle.facts.label_thresholds
    return {} if limits is None else {"lensmith.label_thresholds": json.dumps(limits)}


def network_graph(bundle: Bundle) -> onnx.ModelProto:
    """The network alone, its weights inside: prepared uint8 pixels to logits. Raises `ModelFileError` without one."""
    if GRAPH not in bundle.files:
        raise ModelFileError(
            "the bundle holds no graph, since torch's exporter could not follow its network",
            hint="The command that made it said why.",
        )
    try:
        core = onnx.load_model_from_string(bundle.files[GRAPH])
    except Exception as error:  # protobuf's own, which onnx does not name
        raise ModelFileError(f"the bundle's graph is damaged ({error})") from error
    _take_in_weights(core, bundle.files[WEIGHTS])
    return core


def _take_in_weights(model: onnx.ModelProto, weights: bytes) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        place = {entry.key: entry.value for entry in tensor.external_data}
        start, length = int(place["offset"]), int(place["length"])
        tensor.ClearField("external_data")
        tensor.data_location = TensorProto.DEFAULT
        tensor.raw_data = weights[start : start + length]


def _renamed(graph: onnx.GraphProto, names: dict[str, str]) -> list[onnx.NodeProto]:
    nodes = []
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        nodes.append(node)
    return nodes


def _outputs(bundle: Bundle) -> list[onnx.ValueInfoProto]:
    if bundle.task == "regression":
        return [helper.make_tensor_value_info("value", TensorProto.FLOAT, ["N"])]
    return [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(bundle.classes)]),
        helper.make_tensor_value_info("label", TensorProto.STRING, ["N"]),
        helper.make_tensor_value_info("sure", TensorProto.BOOL, ["N"]),
    ]
