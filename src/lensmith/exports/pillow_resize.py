"""Pillow's resize as ONNX nodes, to the last bit: two passes of weighted sums in whole numbers.

Pillow's weights are fractions of 2^22, rounded; it adds them up in integers and rounds to a level after each pass
(`libImaging/Resample.c`). Whole numbers of that size are exact in float64, so a product of matrices, whatever
its order of summing, gives the very same levels.
"""

from __future__ import annotations

import numpy as np
from onnx import GraphProto, TensorProto, helper

from lensmith.bundle.nodes import Nodes

_UNIT = 2.0**22
_SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}


def exact_resize(
    make: Nodes, interpolation: str, images: str, full: tuple[str, str], inner: tuple[str, str]
) -> str:
    """Nodes from `images`, uint8 [N, H, W, 3], to uint8 [N, height, width, 3].

    full, inner: names of (height, width) before and after, int64 scalars. The height goes first where it shrinks
    by more than twice as many pixels as the width, which is Pillow's rule from version 13 on; before, the width
    always went first.
    """
    height, width = full
    fewer_rows, fewer_columns = make.op("Sub", height, inner[0]), make.op("Sub", width, inner[1])
    much = make.op("Greater", fewer_rows, make.op("Mul", make.number(2), fewer_columns))
    height_first = make.op("And", make.op("Greater", fewer_rows, make.number(0)), much)
    order = ("Where", height_first)
    first = make.op(*order, height, width), make.op(*order, inner[0], inner[1])
    second = make.op(*order, width, height), make.op(*order, inner[1], inner[0])
    value = _either(make, height_first, images, [0, 3, 2, 1], [0, 3, 1, 2])
    value = _pass(make, interpolation, value, *first)
    value = _pass(make, interpolation, make.op("Transpose", value, perm=[0, 1, 3, 2]), *second)
    return _either(make, height_first, value, [0, 2, 3, 1], [0, 3, 2, 1])


def nearest_resize(make: Nodes, images: str, full: tuple[str, str], inner: tuple[str, str]) -> str:
    """The nearest pixel, as Pillow finds it: by steps that are added up, so that equals fall to the same side."""
    value = images
    for axis, before, after in zip((1, 2), full, inner, strict=True):
        step = make.op("Div", _real(make, before), _real(make, after))
        places = make.op("Range", make.number(0), after, make.number(1))
        is_first = make.op("Equal", places, make.number(0))
        steps = make.op("Where", is_first, make.op("Mul", step, _number(make, 0.5)), step)
        at = make.op("Floor", make.op("CumSum", steps, make.number(0)))
        last = make.op("Sub", before, make.number(1))
        index = make.op("Min", make.op("Cast", at, to=TensorProto.INT64), last)
        value = make.op("Gather", value, index, axis=axis)
    return value


def _either(make: Nodes, condition: str, value: str, one: list[int], other: list[int]) -> str:
    """`value` with its axes in one order or in the other."""

    def turned(perm: list[int], name: str) -> GraphProto:
        inner = Nodes(f"{name}.{len(make.nodes)}")
        output = inner.op("Transpose", value, perm=perm)
        result = helper.make_tensor_value_info(output, TensorProto.UINT8, [None] * 4)
        return helper.make_graph(inner.nodes, name, [], [result])

    return make.op(
        "If",
        condition,
        then_branch=turned(one, "resize.turned"),
        else_branch=turned(other, "resize.straight"),
    )


def _pass(make: Nodes, interpolation: str, value: str, before: str, after: str) -> str:
    """uint8 [..., before] -> uint8 [..., after]."""
    weights = _weights(make, interpolation, before, after)
    sums = make.op("MatMul", _real(make, value), weights)
    rounded = make.op("Floor", make.op("Add", make.op("Div", sums, _number(make, _UNIT)), _number(make, 0.5)))
    levels = make.op("Clip", rounded, _number(make, 0.0), _number(make, 255.0))
    return make.op("Cast", levels, to=TensorProto.UINT8)


def _weights(make: Nodes, interpolation: str, before: str, after: str) -> str:
    """What each pixel gives to each new one, float64 [before, after], whole numbers: 2^22 is all of it."""
    half, one = _number(make, 0.5), _number(make, 1.0)
    scale = make.op("Div", _real(make, before), _real(make, after))
    stretch = make.op("Max", scale, one)
    reach = make.op("Mul", stretch, _number(make, _SUPPORT[interpolation]))
    centres = make.op("Mul", make.op("Add", _places(make, after), half), scale)
    first = make.op("Floor", make.op("Add", make.op("Sub", centres, reach), half))
    beyond = make.op("Floor", make.op("Add", make.op("Add", centres, reach), half))
    places = make.op("Unsqueeze", _places(make, before), make.number([1]))
    within = make.op("And", make.op("GreaterOrEqual", places, first), make.op("Less", places, beyond))
    away = make.op("Add", make.op("Sub", places, centres), half)
    distance = make.op("Abs", make.op("Mul", away, make.op("Reciprocal", stretch)))
    curve = (_linear if interpolation == "bilinear" else _cubic)(make, distance)
    raw = make.op("Where", within, curve, _number(make, 0.0))
    shares = make.op("Div", raw, make.op("ReduceSum", raw, make.number([0])))
    size = make.op(
        "Floor", make.op("Add", make.op("Mul", make.op("Abs", shares), _number(make, _UNIT)), half)
    )
    return make.op("Mul", make.op("Sign", shares), size)


def _linear(make: Nodes, distance: str) -> str:
    one, zero = _number(make, 1.0), _number(make, 0.0)
    return make.op("Max", make.op("Sub", one, distance), zero)


def _cubic(make: Nodes, distance: str) -> str:
    """Keys' curve with a = -0.5: 1.5 x^3 - 2.5 x^2 + 1 up to 1, -0.5 (x^3 - 5 x^2 + 8 x - 4) up to 2."""
    near = _polynomial(make, distance, 1.5, -2.5, 0.0, 1.0)
    far = make.op("Mul", _polynomial(make, distance, 1.0, -5.0, 8.0, -4.0), _number(make, -0.5))
    one, two, zero = (_number(make, value) for value in (1.0, 2.0, 0.0))
    outer = make.op("Where", make.op("Less", distance, two), far, zero)
    return make.op("Where", make.op("Less", distance, one), near, outer)


def _polynomial(make: Nodes, value: str, *factors: float) -> str:
    result = _number(make, factors[0])
    for factor in factors[1:]:
        result = make.op("Add", make.op("Mul", result, value), _number(make, factor))
    return result


def _places(make: Nodes, count: str) -> str:
    """0, 1, ... as float64 [count]."""
    return _real(make, make.op("Range", make.number(0), count, make.number(1)))


def _real(make: Nodes, value: str) -> str:
    return make.op("Cast", value, to=TensorProto.DOUBLE)


def _number(make: Nodes, value: float) -> str:
    return make.constant(np.array(value, np.float64), f"real_{value}")
