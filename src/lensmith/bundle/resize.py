"""`Preprocess` as ONNX nodes: the same whole-number sizes, Pillow's antialiased filters, crop or pad.

ONNX Runtime's Resize on uint8 with antialias differs from Pillow by one level at most.
"""

from __future__ import annotations

from typing import Any

from onnx import NodeProto, TensorProto

from lensmith.bundle.nodes import Nodes
from lensmith.errors import UsageError
from lensmith.pictures.preprocess import Preprocess

_MODES: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
    "bilinear": {"mode": "linear", "antialias": 1},
    "bicubic": {"mode": "cubic", "antialias": 1, "cubic_coeff_a": -0.5},
}


def resize_nodes(
    preprocess: Preprocess, images: str, prepared: str
) -> tuple[list[NodeProto], list[TensorProto]]:
    """Nodes and constants from `images`, uint8 [N, H, W, 3], to `prepared`, of the model's size."""
    if preprocess.interpolation not in _MODES:
        raise UsageError(
            f"interpolation {preprocess.interpolation} has no ONNX operator", hint="Use bilinear or bicubic."
        )
    if (
        preprocess.fit == "crop"
        and preprocess.resize is not None
        and preprocess.resize < max(preprocess.size)
    ):
        raise UsageError(
            f"resize={preprocess.resize} is smaller than the crop of {preprocess.size}: no ONNX for that"
        )
    make = Nodes("resize")
    shape = make.op("Shape", images)
    height = make.op("Gather", shape, make.number(1))
    width = make.op("Gather", shape, make.number(2))
    inner_height, inner_width = _resized_to(make, preprocess, height, width)
    sides = [make.op("Unsqueeze", side, make.number([0])) for side in (inner_height, inner_width)]
    sizes = make.op("Concat", *sides, axis=0)
    resized = make.op(
        "Resize",
        images,
        "",
        "",
        sizes,
        axes=[1, 2],
        coordinate_transformation_mode="half_pixel",
        **_MODES[preprocess.interpolation],
    )
    if preprocess.fit == "crop":
        _crop(make, preprocess, resized, sizes, prepared)
    elif preprocess.fit == "pad":
        _pad(make, preprocess, resized, sizes, prepared)
    else:
        make.op("Identity", resized, output=prepared)
    return make.nodes, list(make.constants.values())


def _resized_to(make: Nodes, preprocess: Preprocess, height: str, width: str) -> tuple[str, str]:
    """`Preprocess.resized_to`, in nodes."""
    if preprocess.fit == "squish":
        return make.number(preprocess.size[0]), make.number(preprocess.size[1])
    crop = preprocess.fit == "crop"
    box = (
        (preprocess.resize, preprocess.resize) if crop and preprocess.resize is not None else preprocess.size
    )
    box_height, box_width = make.number(box[0]), make.number(box[1])
    by_height, by_width = make.op("Mul", box_height, width), make.op("Mul", box_width, height)
    tall_enough = make.op("GreaterOrEqual", by_height, by_width)
    if crop:
        wide = make.op("Div", by_height, height)
        high = make.op("Div", by_width, width)
        return make.op("Where", tall_enough, box_height, high), make.op("Where", tall_enough, wide, box_width)
    high = _rounded_division(make, by_width, width)
    wide = _rounded_division(make, by_height, height)
    return make.op("Where", tall_enough, high, box_height), make.op("Where", tall_enough, box_width, wide)


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
