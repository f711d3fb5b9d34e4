"""`Preprocess` as ONNX nodes: the same whole-number sizes, Pillow's filters, crop or pad.

Pictures of up to `EXACT` pixels are resized by `exact_resize`, which gives Pillow's pixels, each and every one:
small networks answer otherwise where many pixels differ by a level. Larger ones go through ONNX Runtime's Resize,
many times faster there, which is off by a few levels on up to one pixel in a hundred, mostly at the edges.
"""

from __future__ import annotations

from typing import Any

from onnx import GraphProto, NodeProto, TensorProto, helper

from lensmith.bundle.nodes import Nodes
from lensmith.errors import UsageError
from lensmith.exports.pillow_resize import exact_resize, nearest_resize
from lensmith.pictures.preprocess import Preprocess

EXACT = 2**20
"""Pixels of a picture; the exact way takes time with the product of its sides and those of the result."""

_MODES: dict[str, dict[str, Any]] = {
    "bilinear": {"mode": "linear", "antialias": 1},
    "bicubic": {"mode": "cubic", "antialias": 1, "cubic_coeff_a": -0.5},
}


def require_exportable(preprocess: Preprocess) -> None:
    """Raise `UsageError` for a preprocessing that no exported file holds."""
    if preprocess.interpolation not in ("nearest", *_MODES):
        raise UsageError(
            f"interpolation {preprocess.interpolation} has no ONNX operator", hint="Use bilinear or bicubic."
        )
    resize = preprocess.resize
    if preprocess.fit == "crop" and resize is not None and resize < max(preprocess.size):
        raise UsageError(
            f"resize={preprocess.resize} is smaller than the crop of {preprocess.size}: no ONNX for that"
        )


def resize_nodes(
    preprocess: Preprocess, images: str, prepared: str
) -> tuple[list[NodeProto], list[TensorProto]]:
    """Nodes and constants from `images`, uint8 [N, H, W, 3], to `prepared`, of the model's size."""
    require_exportable(preprocess)
    make = Nodes("resize")
    shape = make.op("Shape", images)
    height = make.op("Gather", shape, make.number(1))
    width = make.op("Gather", shape, make.number(2))
    inner = _resized_to(make, preprocess, height, width)
    sides = [make.op("Unsqueeze", side, make.number([0])) for side in inner]
    sizes = make.op("Concat", *sides, axis=0)
    resized = _resized(make, preprocess, images, (height, width), (*inner, sizes))
    if preprocess.fit == "crop":
        _crop(make, preprocess, resized, sizes, prepared)
    elif preprocess.fit == "pad":
        _pad(make, preprocess, resized, sizes, prepared)
    else:
        make.op("Identity", resized, output=prepared)
    return make.nodes, list(make.constants.values())


def _resized(
    make: Nodes, preprocess: Preprocess, images: str, full: tuple[str, str], inner: tuple[str, str, str]
) -> str:
    """The whole picture in its new size, uint8 [N, height, width, 3]."""
    if preprocess.interpolation == "nearest":
        return nearest_resize(make, images, full, inner[:2])
    whole = Nodes("resize.large")
    large = whole.op(
        "Resize",
        images,
        "",
        "",
        inner[2],
        axes=[1, 2],
        coordinate_transformation_mode="half_pixel",
        **_MODES[preprocess.interpolation],
    )
    exact = Nodes("resize.small")
    small = exact_resize(exact, preprocess.interpolation, images, full, inner[:2])
    make.constants.update(exact.constants)
    is_small = make.op("LessOrEqual", make.op("Mul", *full), make.number(EXACT))
    return make.op("If", is_small, then_branch=branch(exact, small), else_branch=branch(whole, large))


def branch(make: Nodes, output: str) -> GraphProto:
    """One of two ways of an `If`: its nodes see every name outside; its constants stand outside."""
    result = helper.make_tensor_value_info(output, TensorProto.UINT8, [None] * 4)
    return helper.make_graph(make.nodes, "branch", [], [result])


def _resized_to(make: Nodes, preprocess: Preprocess, height: str, width: str) -> tuple[str, str]:
    """`Preprocess.resized_to`, in nodes: the larger of two for crop, the smaller for pad."""
    if preprocess.fit == "squish":
        return make.number(preprocess.size[0]), make.number(preprocess.size[1])
    crop = preprocess.fit == "crop"
    box = (
        (preprocess.resize, preprocess.resize) if crop and preprocess.resize is not None else preprocess.size
    )
    box_height, box_width = make.number(box[0]), make.number(box[1])
    by_height, by_width = make.op("Mul", box_height, width), make.op("Mul", box_width, height)
    if crop:
        high, wide = make.op("Div", by_width, width), make.op("Div", by_height, height)
        return make.op("Max", box_height, high), make.op("Max", box_width, wide)
    high, wide = _rounded_division(make, by_width, width), _rounded_division(make, by_height, height)
    return make.op("Min", box_height, high), make.op("Min", box_width, wide)


def _rounded_division(make: Nodes, above: str, below: str) -> str:
    """max(1, (2 * above + below) // (2 * below))"""
    two = make.number(2)
    sum_ = make.op("Add", make.op("Mul", two, above), below)
    return make.op("Max", make.number(1), make.op("Div", sum_, make.op("Mul", two, below)))


def _crop(make: Nodes, preprocess: Preprocess, resized: str, sizes: str, prepared: str) -> None:
    """The centre, halves rounded to even as Python's `round` does."""
    two = make.number(2)
    spare = make.op("Sub", sizes, make.number(list(preprocess.size)))
    half = make.op("Div", spare, two)
    odd = make.op("Mul", make.op("Mod", spare, two), make.op("Mod", half, two))
    start = make.op("Add", half, odd)
    end = make.op("Add", start, make.number(list(preprocess.size)))
    make.op("Slice", resized, start, end, make.number([1, 2]), output=prepared)


def _pad(make: Nodes, preprocess: Preprocess, resized: str, sizes: str, prepared: str) -> None:
    """The whole picture in the centre. Pad adds one value, so `fill` is taken off first and put back."""
    fill = make.number(list(preprocess.fill))
    spare = make.op("Sub", make.number(list(preprocess.size)), sizes)
    before = make.op("Div", spare, make.number(2))
    after = make.op("Sub", spare, before)
    pads = make.op("Concat", before, after, axis=0)
    above = make.op("Sub", make.op("Cast", resized, to=TensorProto.INT64), fill)
    padded = make.op("Pad", above, pads, "", make.number([1, 2]))
    make.op("Cast", make.op("Add", padded, fill), output=prepared, to=TensorProto.UINT8)
