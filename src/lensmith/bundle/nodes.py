"""ONNX nodes and constants under construction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper


class Nodes:
    """Every method returns the name of a value, which begins with `prefix`: graphs are joined later."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}

    def number(self, value: int | list[int]) -> str:
        """Whole numbers, int64."""
        return self.constant(np.array(value, np.int64), f"{value}".replace(" ", ""))

    def constant(self, value: NDArray[Any], name: str) -> str:
        """An array under a name of its own; a second one of that name takes its place."""
        name = f"{self._prefix}.{name}"
        self.constants[name] = numpy_helper.from_array(value, name)
        return name

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """A node with one output."""
        output = output or f"{self._prefix}.{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output
