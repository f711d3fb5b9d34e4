"""A network of common layers as ONNX nodes, written layer by layer.

torch's exporter follows any network and needs seconds for it; most networks consist of a few kinds of layers,
and for those the nodes can be written down at once. What is not among them is left to the exporter.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from lensmith.bundle.nodes import Nodes
from lensmith.bundle.writing import NotCommonError, Writer, pair_of, said_in, shape_of
from lensmith.models.lite0 import SameConv
from lensmith.models.packed import PackedConv


def layer_nodes(model: nn.Module, images: Tensor, make: Nodes, value: str, prefix: str) -> str:
    """Nodes from `value`, float [N, 3, H, W], to the network's outputs, whose name is returned.

    images: an example of the input. Weights are tensors called `prefix` and their name in the state, without
    content. Raises `NotCommonError`, or what torch.fx raises for a network that decides by its values.
    """
    tracer = _Tracer()
    graph = tracer.trace(model)
    writer = Writer(model, make, prefix)
    _Shapes(fx.GraphModule(model, graph)).run(images)
    for node in graph.nodes:
        if node.op == "placeholder":
            writer.values[node] = value
        elif node.op == "output":
            return writer.value(node.args[0])
        else:
            _write(writer, node)
    raise NotCommonError("no output")


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)


class _Shapes(fx.Interpreter):
    """Runs the network once and notes the shape of every value."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        n.meta["shape"] = tuple(result.shape) if isinstance(result, Tensor) else None
        return result


def _write(to: Writer, node: fx.Node) -> None:
    if node.op == "get_attr":
        to.values[node] = to.weight(str(node.target))
    elif node.op == "call_module":
        module = to.model.get_submodule(str(node.target))
        to.values[node] = _of(_MODULES, type(module))(to, node, module)
    elif node.target not in _SHAPES_ALONE:  # whoever uses a size knows the shape of the result
        to.values[node] = _of(_FUNCTIONS, node.target)(to, node)


def _of(table: dict[Any, Callable[..., str]], key: Any) -> Callable[..., str]:
    try:
        return table[key]
    except (KeyError, TypeError):
        raise NotCommonError(f"{key}") from None


def _conv(to: Writer, node: fx.Node, layer: nn.Conv2d) -> str:
    if layer.padding_mode != "zeros":
        raise NotCommonError(f"padding_mode={layer.padding_mode}")
    kernel, stride, dilation = list(layer.kernel_size), list(layer.stride), list(layer.dilation)
    if isinstance(layer, SameConv) and stride[0] > 1:
        sides = shape_of(node.args[0])[2:]
        whole = [
            max((-(-side // s) - 1) * s + k - side, 0)
            for side, k, s in zip(sides, kernel, stride, strict=True)
        ]
    elif isinstance(layer.padding, str):
        same = layer.padding == "same"
        whole = [d * (k - 1) if same else 0 for d, k in zip(dilation, kernel, strict=True)]
    else:
        whole = [2 * p for p in layer.padding]
    pads = [p // 2 for p in whole] + [p - p // 2 for p in whole]
    weights = [to.weight(f"{node.target}.weight")]
    if layer.bias is not None:
        weights.append(to.weight(f"{node.target}.bias"))
    return to.op(
        "Conv",
        to.value(node.args[0]),
        *weights,
        kernel_shape=kernel,
        strides=stride,
        dilations=dilation,
        pads=pads,
        group=layer.groups,
    )


def _norm(to: Writer, node: fx.Node, layer: nn.BatchNorm1d | nn.BatchNorm2d) -> str:
    if not layer.affine or layer.running_mean is None:
        raise NotCommonError("a norm without weights or statistics")
    names = [f"{node.target}.{name}" for name in ("weight", "bias", "running_mean", "running_var")]
    return to.op("BatchNormalization", to.value(node.args[0]), *map(to.weight, names), epsilon=layer.eps)


def _layer_norm(to: Writer, node: fx.Node, layer: nn.LayerNorm) -> str:
    if layer.weight is None or layer.bias is None:
        raise NotCommonError("a norm without weights")
    weights = [to.weight(f"{node.target}.{name}") for name in ("weight", "bias")]
    axis = -len(layer.normalized_shape)
    return to.op("LayerNormalization", to.value(node.args[0]), *weights, axis=axis, epsilon=layer.eps)


def _linear(to: Writer, node: fx.Node, layer: nn.Linear) -> str:
    given, weight = to.value(node.args[0]), to.weight(f"{node.target}.weight")
    bias = [to.weight(f"{node.target}.bias")] if layer.bias is not None else []
    if len(shape_of(node.args[0])) == 2:
        return to.op("Gemm", given, weight, *bias, transB=1)
    product = to.op("MatMul", given, to.op("Transpose", weight, perm=[1, 0]))
    return to.op("Add", product, *bias) if bias else product


def _max_pool(to: Writer, value: str, kernel: Any, stride: Any, padding: Any, **more: Any) -> str:
    if more.get("return_indices"):
        raise NotCommonError("max_pool2d with indices")
    return to.op(
        "MaxPool",
        value,
        kernel_shape=pair_of(kernel),
        strides=pair_of(kernel if stride is None else stride),
        pads=pair_of(padding) * 2,
        dilations=pair_of(more.get("dilation", 1)),
        ceil_mode=int(more.get("ceil_mode", False)),
    )


def _max_pool_layer(to: Writer, node: fx.Node, layer: nn.MaxPool2d) -> str:
    more = {name: getattr(layer, name) for name in ("dilation", "ceil_mode", "return_indices")}
    return _max_pool(to, to.value(node.args[0]), layer.kernel_size, layer.stride, layer.padding, **more)


def _avg_pool_layer(to: Writer, node: fx.Node, layer: nn.AvgPool2d) -> str:
    if layer.ceil_mode or layer.divisor_override:
        raise NotCommonError("AvgPool2d with ceil_mode or a divisor")
    return to.op(
        "AveragePool",
        to.value(node.args[0]),
        kernel_shape=pair_of(layer.kernel_size),
        strides=pair_of(layer.stride),
        pads=pair_of(layer.padding) * 2,
        count_include_pad=int(layer.count_include_pad),
    )


def _adaptive_avg(to: Writer, argument: Any, size: Any) -> str:
    value, sides, wanted = to.value(argument), list(shape_of(argument)[2:]), pair_of(size)
    if wanted == sides:
        return to.op("Identity", value)
    if wanted == [1, 1]:
        return to.op("GlobalAveragePool", value)
    if any(side % part for side, part in zip(sides, wanted, strict=True)):
        raise NotCommonError(f"adaptive_avg_pool2d from {sides} to {wanted}")
    kernel = [side // part for side, part in zip(sides, wanted, strict=True)]
    return to.op("AveragePool", value, kernel_shape=kernel, strides=kernel)


def _reshape(to: Writer, node: fx.Node) -> str:
    """view, reshape, flatten: pictures stay apart, the rest is what it was on the example."""
    before, after = shape_of(node.args[0]), shape_of(node)
    if before[0] != after[0]:
        raise NotCommonError(f"{node.target} across pictures")
    return to.op("Reshape", to.value(node.args[0]), to.make.number([0, *after[1:]]))


# Functions of one value


def _gelu(to: Writer, value: str, approximate: str = "none") -> str:
    half = to.op("Mul", value, to.value(0.5))
    if approximate == "tanh":
        cube = to.op("Mul", to.op("Mul", value, value), value)
        inner = to.op("Add", value, to.op("Mul", cube, to.value(0.044715)))
        bent = to.op("Tanh", to.op("Mul", inner, to.value(math.sqrt(2 / math.pi))))
    else:
        bent = to.op("Erf", to.op("Div", value, to.value(math.sqrt(2))))
    return to.op("Mul", half, to.op("Add", bent, to.value(1.0)))


def _plain(kind: str, **attributes: Any) -> Callable[[Writer, str], str]:
    return lambda to, value: to.op(kind, value, **attributes)


_CURVES: dict[str, Callable[[Writer, str], str]] = {
    "relu": _plain("Relu"),
    "relu6": lambda to, value: to.op("Clip", value, to.value(0.0), to.value(6.0)),
    "silu": lambda to, value: to.op("Mul", value, to.op("Sigmoid", value)),
    "hardswish": _plain("HardSwish"),
    "hardsigmoid": _plain("HardSigmoid", alpha=1 / 6, beta=0.5),
    "sigmoid": _plain("Sigmoid"),
    "tanh": _plain("Tanh"),
    "gelu": _gelu,
    "same": _plain("Identity"),
}


def _curve_layer(name: str) -> Callable[[Writer, fx.Node, nn.Module], str]:
    return lambda to, node, layer: _CURVES[name](to, to.value(node.args[0]))


def _curve_call(name: str) -> Callable[[Writer, fx.Node], str]:
    def write(to: Writer, node: fx.Node) -> str:
        said_in(node, "input", inplace=False)
        return _CURVES[name](to, to.value(node.args[0]))

    return write


def _joined(kind: str) -> Callable[[Writer, fx.Node], str]:
    def write(to: Writer, node: fx.Node) -> str:
        one, other = said_in(node, "input other").values()
        return to.op(kind, to.value(one), to.value(other))

    return write


def _reduced(kind: str) -> Callable[[Writer, fx.Node], str]:
    def write(to: Writer, node: fx.Node) -> str:
        said = said_in(node, "input dim keepdim", keepdim=False)
        dims = said.get("dim")
        axes = [dims] if isinstance(dims, int) else list(dims or ())
        if not axes or any(axis % len(shape_of(node.args[0])) == 0 for axis in axes):
            raise NotCommonError(f"{node.target} over all pictures")
        return to.op(kind, to.value(said["input"]), to.make.number(axes), keepdims=int(said["keepdim"]))

    return write


def _cat(to: Writer, node: fx.Node) -> str:
    said = said_in(node, "tensors dim", dim=0)
    if said["dim"] % len(shape_of(node)) == 0:
        raise NotCommonError("cat of pictures")
    return to.op("Concat", *map(to.value, said["tensors"]), axis=said["dim"])


def _max_pool_call(to: Writer, node: fx.Node) -> str:
    said = said_in(
        node,
        "input kernel_size stride padding dilation ceil_mode",
        stride=None,
        padding=0,
        dilation=1,
        ceil_mode=False,
        return_indices=False,
    )
    value, kernel = to.value(said.pop("input")), said.pop("kernel_size")
    return _max_pool(to, value, kernel, said.pop("stride"), said.pop("padding"), **said)


def _dropout_call(to: Writer, node: fx.Node) -> str:
    if said_in(node, "input p training inplace", p=0.5, training=True, inplace=False)["training"]:
        raise NotCommonError("dropout while evaluating")
    return to.op("Identity", to.value(node.args[0]))


def _adaptive_call(to: Writer, node: fx.Node) -> str:
    said = said_in(node, "input output_size")
    return _adaptive_avg(to, said["input"], said["output_size"])


_MODULES: dict[type, Callable[..., str]] = {
    nn.Conv2d: _conv,
    SameConv: _conv,
    PackedConv: _conv,
    nn.BatchNorm1d: _norm,
    nn.BatchNorm2d: _norm,
    nn.LayerNorm: _layer_norm,
    nn.Linear: _linear,
    nn.MaxPool2d: _max_pool_layer,
    nn.AvgPool2d: _avg_pool_layer,
    nn.AdaptiveAvgPool2d: lambda to, node, layer: _adaptive_avg(to, node.args[0], layer.output_size),
    nn.Flatten: lambda to, node, layer: _reshape(to, node),
    nn.GELU: lambda to, node, layer: _gelu(to, to.value(node.args[0]), layer.approximate),
    nn.ReLU: _curve_layer("relu"),
    nn.ReLU6: _curve_layer("relu6"),
    nn.SiLU: _curve_layer("silu"),
    nn.Hardswish: _curve_layer("hardswish"),
    nn.Hardsigmoid: _curve_layer("hardsigmoid"),
    nn.Sigmoid: _curve_layer("sigmoid"),
    nn.Tanh: _curve_layer("tanh"),
    nn.Identity: _curve_layer("same"),
    nn.Dropout: _curve_layer("same"),
    nn.Dropout2d: _curve_layer("same"),
}

_SHAPES_ALONE = {"size", getattr, operator.getitem, "dim"}

_FUNCTIONS: dict[Any, Callable[[Writer, fx.Node], str]] = {
    F.relu: _curve_call("relu"),
    torch.relu: _curve_call("relu"),
    "relu": _curve_call("relu"),
    F.relu6: _curve_call("relu6"),
    F.silu: _curve_call("silu"),
    F.gelu: _curve_call("gelu"),
    F.hardswish: _curve_call("hardswish"),
    torch.sigmoid: _curve_call("sigmoid"),
    "sigmoid": _curve_call("sigmoid"),
    torch.tanh: _curve_call("tanh"),
    "contiguous": _curve_call("same"),
    operator.add: _joined("Add"),
    operator.iadd: _joined("Add"),
    torch.add: _joined("Add"),
    operator.mul: _joined("Mul"),
    torch.mul: _joined("Mul"),
    operator.sub: _joined("Sub"),
    operator.truediv: _joined("Div"),
    torch.mean: _reduced("ReduceMean"),
    "mean": _reduced("ReduceMean"),
    torch.amax: _reduced("ReduceMax"),
    "amax": _reduced("ReduceMax"),
    torch.cat: _cat,
    torch.flatten: _reshape,
    torch.reshape: _reshape,
    "flatten": _reshape,
    "view": _reshape,
    "reshape": _reshape,
    F.max_pool2d: _max_pool_call,
    F.adaptive_avg_pool2d: _adaptive_call,
    F.dropout: _dropout_call,
}
