"""From logits and features to a named answer, as ONNX nodes."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, TensorProto, helper

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.last_layer import FEATURES
from lensmith.bundle.nodes import Nodes
from lensmith.errors import ModelFileError
from lensmith.features.neighbours import TINY, Neighbours

Made = tuple[list[NodeProto], list[TensorProto]]


def answer_nodes(bundle: Bundle, outputs: set[str]) -> Made:
    """Logits -> `probabilities`, `label`, the likeliest name, and `sure`; for regression, `value`.

    outputs: those of the network's graph. Raises `ModelFileError` where it lacks the features that neighbours need.
    """
    make = Nodes("lensmith")
    if bundle.task == "regression":
        make.op("Squeeze", "logits", make.number([1]), output="value")
        return make.nodes, list(make.constants.values())
    scaled = make.op("Div", "logits", _real(make, bundle.facts.temperature, "temperature"))
    if bundle.task == "classification":
        make.op("Softmax", scaled, output="probabilities", axis=1)
        certain = make.op("ReduceMax", "probabilities", make.number([1]), keepdims=0)
    else:
        make.op("Sigmoid", scaled, output="probabilities")
        opposite = make.op("Sub", _real(make, 1, "one"), "probabilities")
        if bundle.facts.label_thresholds is None:
            each = make.op("Max", "probabilities", opposite)
        else:
            limits = make.constant(np.array(bundle.facts.label_thresholds, np.float32), "label_thresholds")
            said = make.op("GreaterOrEqual", "probabilities", limits)
            each = make.op("Where", said, "probabilities", opposite)
        certain = make.op("ReduceMin", each, make.number([1]), keepdims=0)
    best = make.op("ArgMax", "probabilities", axis=1, keepdims=0)
    make.op("Gather", make.constant(np.array(bundle.classes, dtype=object), "names"), best, output="label")
    threshold = _real(make, bundle.facts.threshold, "threshold")
    if bundle.neighbours is None:
        make.op("GreaterOrEqual", certain, threshold, output="sure")
    else:
        if FEATURES not in outputs:
            raise ModelFileError("the bundle's graph does not give the features that its neighbours need")
        is_certain = make.op("GreaterOrEqual", certain, threshold)
        make.op("And", is_certain, _is_near(make, bundle.neighbours), output="sure")
    return make.nodes, list(make.constants.values())


def _is_near(make: Nodes, neighbours: Neighbours) -> str:
    """Features -> bool [N], as `Neighbours` has it."""
    size = make.op("Abs", FEATURES)
    roots = make.op("Mul", make.op("Sign", FEATURES), make.op("Sqrt", size))
    length = make.op("Sqrt", make.op("ReduceSum", size, make.number([1]), keepdims=1))
    towards = make.op("Div", roots, make.op("Max", length, _real(make, TINY, "tiny")))
    # In half the bytes, as the bundle has them.
    bank = make.op("Cast", make.constant(neighbours.bank.T.copy(), "neighbours"), to=TensorProto.FLOAT)
    cosines = make.op("MatMul", towards, bank)
    make.nodes.append(
        helper.make_node(
            "TopK", [cosines, make.number([neighbours.rank])], ["lensmith.nearest", "lensmith.who"], axis=1
        )
    )
    furthest = make.op("ReduceMin", "lensmith.nearest", make.number([1]), keepdims=0)
    distance = make.op("Sub", _real(make, 1, "one"), furthest)
    return make.op("LessOrEqual", distance, _real(make, neighbours.limit, "unlike_above"))


def _real(make: Nodes, value: float, name: str) -> str:
    return make.constant(np.array(value, np.float32), name)
