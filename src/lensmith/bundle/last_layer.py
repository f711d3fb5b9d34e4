"""What goes into the last linear layer of a network, as a second output of its graph, `features`.

Found by structure alone, so that it does not matter who wrote the graph: logits come from a product with one matrix
of weights, and at most a bias stands behind it.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import TensorProto, helper

FEATURES = "features"
_SAME = {"Identity", "Cast"}


def show_features(model: onnx.ModelProto) -> None:
    """Give the graph the output `features`, float32 [N, D], where it ends in a linear layer on rows of them."""
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    found = _last_linear(makers, shapes, "logits")
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    if found is None or FEATURES in taken:
        return
    node, width = found
    place = next(i for i, one in enumerate(graph.node) if one is node or one.output == node.output)
    graph.node.insert(place, helper.make_node("Identity", [node.input[0]], [FEATURES]))
    graph.output.append(helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", width]))


def _last_linear(
    makers: dict[str, onnx.NodeProto], shapes: dict[str, list[int]], name: str
) -> tuple[onnx.NodeProto, int] | None:
    """The node that multiplies by the last weights, and the number of features that it takes."""
    for node in _upwards(makers, shapes, name):
        if node.op_type == "Gemm":
            attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
            shape = shapes.get(node.input[1], [])
            if attributes.get("transA", 0) or len(shape) != 2:
                return None
            return node, shape[1 if attributes.get("transB", 0) else 0]
        if node.op_type == "MatMul":
            turned = makers.get(node.input[1])
            is_turned = turned is not None and turned.op_type == "Transpose"
            shape = shapes.get(turned.input[0] if turned is not None and is_turned else node.input[1], [])
            return (node, shape[1 if is_turned else 0]) if len(shape) == 2 else None
    return None


def _upwards(
    makers: dict[str, onnx.NodeProto], shapes: dict[str, list[int]], name: str
) -> Iterator[onnx.NodeProto]:
    """What made a value, and on through what leaves it as it is or adds a bias."""
    while (node := makers.get(name)) is not None:
        yield node
        inputs = list(node.input)
        if node.op_type == "Add":
            inputs = [one for one in inputs if one not in shapes]
        elif node.op_type not in _SAME:
            return
        if len(inputs) != 1:
            return
        name = inputs[0]
