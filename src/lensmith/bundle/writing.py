"""The hand that writes a network down as ONNX nodes: names of values, weights of the state, calls and shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from onnx import TensorProto
from torch import fx, nn

from lensmith.bundle.nodes import Nodes


class NotCommonError(Exception):
    """A layer, a function or a way to call one that is left to torch's exporter."""


@dataclass
class Writer:
    """values: what each node of the traced network is called in ONNX. prefix: before the names of weights."""

    model: nn.Module
    make: Nodes
    prefix: str
    values: dict[fx.Node, str] = field(default_factory=dict)

    def value(self, argument: Any) -> str:
        """The name of what an argument of a call is; a plain number becomes a constant."""
        if isinstance(argument, int | float):
            return self.make.constant(np.array(argument, np.float32), f"scalar_{argument}")
        if argument not in self.values:
            raise NotCommonError(f"{argument} as an input")
        return self.values[argument]

    def weight(self, name: str) -> str:
        """A tensor of the state by its name."""
        tensor: Any = self.model
        for part in name.split("."):
            tensor = getattr(tensor, part)
        if name not in self.model.state_dict() or tensor.dtype != torch.float32:
            raise NotCommonError(f"{name}, which is no float32 tensor of the state")
        name = self.prefix + name
        self.make.constants[name] = TensorProto(name=name, dims=tensor.shape, data_type=TensorProto.FLOAT)
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output."""
        return self.make.op(kind, *inputs, **attributes)


def shape_of(node: Any) -> tuple[int, ...]:
    """The shape of a value on the example."""
    shape: tuple[int, ...] | None = node.meta.get("shape") if isinstance(node, fx.Node) else None
    if shape is None:
        raise NotCommonError(f"{node} without a shape")
    return shape


def said_in(node: fx.Node, names: str, **defaults: Any) -> dict[str, Any]:
    """The arguments of a call by name; those in `names` may stand without one."""
    given = dict(zip(names.split(), node.args, strict=False)) | dict(node.kwargs)
    unknown = set(given) - set(names.split()) - set(defaults)
    if len(node.args) > len(names.split()) or unknown:
        raise NotCommonError(f"{node.target} with {unknown or node.args}")
    return defaults | given


def pair_of(value: Any) -> list[int]:
    """One number or two, as two."""
    return [int(value)] * 2 if isinstance(value, int) else [int(v) for v in value]
