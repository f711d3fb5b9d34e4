"""A network as an ONNX graph from uint8 pixels to logits (and features); its weights stay in the safetensors file."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import struct
import warnings
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lensmith.bundle.engines import onnx_engine
from lensmith.bundle.facts import WEIGHTS
from lensmith.bundle.last_layer import show_features
from lensmith.bundle.layers import layer_nodes
from lensmith.bundle.nodes import Nodes
from lensmith.models.heads import outputs_and_features
from lensmith.pictures.preprocess import Preprocess

OPSET = 18
_IR = 10
_TOLERANCE = 1e-3
"""Of the largest output: both compute in float32, in another order."""
_PREFIX = "model."


class Pixels(nn.Module):
    """A network with the normalisation in front: uint8 [N, H, W, 3] -> outputs, float32."""

    def __init__(self, model: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.model = model
        scale, offset = _by_channel(preprocess)
        self.scale, self.offset = torch.from_numpy(scale), torch.from_numpy(offset)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 [N, H, W, 3] -> outputs, float32 [N, ...]."""
        outputs: Tensor = self.model(self._normal(images))
        return outputs.to(torch.float32)

    def look(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """The same, and what goes into the last linear layer, [N, D], where there is one."""
        outputs, features = outputs_and_features(self.model, self._normal(images))
        return outputs.to(torch.float32), features

    def _normal(self, images: Tensor) -> Tensor:
        real = images.to(torch.float32).permute(0, 3, 1, 2).contiguous()
        return real * self.scale + self.offset


def trace(model: nn.Module, preprocess: Preprocess, weights: bytes) -> bytes:
    """The ONNX graph of a network in eval mode, on the CPU.

    Its tensors that are in `weights` (safetensors) point there by offset, so both engines compute with the
    same bytes. Raises what torch's exporter raises for a network that it cannot follow.
    """
    return _written(model.eval(), preprocess, weights) or _exported(model, preprocess, weights)


def _written(model: nn.Module, preprocess: Preprocess, weights: bytes) -> bytes | None:
    """The graph written layer by layer, where that can be and gives what the network gives."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    make = Nodes("network")
    scale, offset = (
        make.constant(part, name)
        for part, name in zip(_by_channel(preprocess), ("scale", "offset"), strict=True)
    )
    real = make.op("Transpose", make.op("Cast", "images", to=onnx.TensorProto.FLOAT), perm=[0, 3, 1, 2])
    normal = make.op("Add", make.op("Mul", real, scale), offset)
    try:
        with torch.no_grad():
            example = torch.zeros((2, 3, *preprocess.size))
            outputs = layer_nodes(model, example, make, normal, _PREFIX)
    except Exception:  # what no list foresees is the exporter's, which says what it cannot do either
        return None
    for node in make.nodes:
        node.input[:] = ["logits" if name == outputs else name for name in node.input]
        node.output[:] = ["logits" if name == outputs else name for name in node.output]
    graph = onnx.helper.make_graph(
        make.nodes,
        "lensmith",
        [onnx.helper.make_tensor_value_info("images", onnx.TensorProto.UINT8, ["N", *preprocess.size, 3])],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", None])],
        list(make.constants.values()),
    )
    opset = onnx.helper.make_opsetid("", OPSET)
    whole = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=_IR, producer_name="lensmith")
    show_features(whole)
    _point_to(whole, weights)
    content: bytes = whole.SerializeToString()
    return content if _agrees(content, weights, Pixels(model, preprocess), preprocess) else None


def _by_channel(preprocess: Preprocess) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scale and offset, [3, 1, 1]: over whole planes ONNX Runtime computes ten times as fast as over triples."""
    scale, offset = preprocess.affine()
    return scale.reshape(3, 1, 1), offset.reshape(3, 1, 1)


def _agrees(graph: bytes, weights: bytes, network: nn.Module, preprocess: Preprocess) -> bool:
    """Whether ONNX Runtime computes from the graph what torch computes from the network, on three pictures."""
    draw = np.random.default_rng(0)
    pictures = draw.integers(0, 256, (3, *preprocess.size, 3), np.uint8)
    with torch.no_grad():
        wanted = network(torch.from_numpy(pictures)).numpy()
    try:
        found = onnx_engine(graph, weights)(pictures)
    except Exception:
        return False
    scale = float(np.abs(wanted).max()) or 1.0
    return found.shape == wanted.shape and bool(np.abs(found - wanted).max() <= _TOLERANCE * scale)


def _exported(model: nn.Module, preprocess: Preprocess, weights: bytes) -> bytes:
    """The graph by torch's own exporter."""
    wrapped = Pixels(model, preprocess).eval()
    example = torch.zeros((2, *preprocess.size, 3), dtype=torch.uint8)
    program: Any
    with silence(), torch.no_grad():
        program = torch.onnx.export(
            wrapped,
            (example,),
            input_names=["images"],
            output_names=["logits"],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("N")},),
            optimize=False,
            verbose=False,
        )
    graph: onnx.ModelProto = program.model_proto
    show_features(graph)
    _point_to(graph, weights)
    for value in graph.graph.value_info:
        value.ClearField("doc_string")
    for node in graph.graph.node:
        # The exporter notes the source lines of this machine in every node.
        node.ClearField("doc_string")
        del node.metadata_props[:]
    content: bytes = graph.SerializeToString()
    return content


def tensor_places(weights: bytes) -> dict[str, tuple[int, int]]:
    """Name -> (offset, length) of each tensor in a safetensors file."""
    (header,) = struct.unpack("<Q", weights[:8])
    table = json.loads(weights[8 : 8 + header])
    return {
        name: (8 + header + facts["data_offsets"][0], facts["data_offsets"][1] - facts["data_offsets"][0])
        for name, facts in table.items()
        if name != "__metadata__"
    }


def _point_to(graph: onnx.ModelProto, weights: bytes) -> None:
    places = tensor_places(weights)
    for tensor in graph.graph.initializer:
        name = tensor.name.removeprefix(_PREFIX)
        if name not in places or not tensor.name.startswith(_PREFIX):
            continue
        offset, length = places[name]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        del tensor.external_data[:]
        for key, value in (("location", WEIGHTS), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))


@contextlib.contextmanager
def silence() -> Any:
    """The exporter prints and warns about its own workings; what matters it raises."""
    logger = logging.getLogger("torch")
    level = logger.level
    nowhere = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        warnings.simplefilter("ignore")
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)
