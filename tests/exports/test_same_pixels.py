"""What an exported file makes of a picture before its network sees it: the pixels that Pillow makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from small_nets import Pixels, scene

from lensmith.bundle.engines import import_onnxruntime
from lensmith.exports.program import prepared
from lensmith.exports.resize import EXACT, resize_nodes
from lensmith.pictures.preprocess import Preprocess

WAYS: list[dict[str, Any]] = [
    {"fit": "crop"},
    {"fit": "crop", "resize": 45},
    {"fit": "pad", "fill": (10, 200, 90)},
    {"fit": "squish"},
]
SIZES = [(24, 40), (40, 24), (25, 33), (48, 36), (96, 160), (5, 90), (90, 5), (240, 31), (8, 11), (57, 55)]


def by_onnx(preprocess: Preprocess) -> Callable[[Pixels], Pixels]:
    nodes, constants = resize_nodes(preprocess, "images", "prepared")
    pixels = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", "H", "W", 3])
    result = helper.make_tensor_value_info("prepared", TensorProto.UINT8, [None] * 4)
    model = helper.make_model(
        helper.make_graph(nodes, "resize", [pixels], [result], constants),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    onnxruntime = import_onnxruntime()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda picture: session.run(None, {"images": np.stack([picture, 255 - picture])})[0]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
def test_onnx_sees_each_pixel_as_pillow_does(way: dict[str, Any], interpolation: Any) -> None:
    preprocess = Preprocess((24, 40), interpolation=interpolation, **way)
    ask = by_onnx(preprocess)
    for height, width in SIZES:
        picture = scene(height, width)
        found = ask(picture)
        assert np.array_equal(found[0], preprocess(picture)), (height, width)
        assert np.array_equal(found[1], preprocess(255 - picture)), (height, width)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_onnx_sees_large_pictures_nearly_so(interpolation: Any) -> None:
    preprocess = Preprocess((24, 40), interpolation=interpolation)
    picture = scene(1100, 1000)
    assert picture.shape[0] * picture.shape[1] > EXACT
    away = np.abs(by_onnx(preprocess)(picture)[0].astype(int) - preprocess(picture))
    assert away.max() <= 4 and away.mean() < 0.02


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
def test_torch_sees_nearly_each_as_pillow_does(way: dict[str, Any], interpolation: Any) -> None:
    preprocess = Preprocess((24, 40), interpolation=interpolation, **way)
    differing = []
    for height, width in [*SIZES, (1100, 1000)]:
        picture = scene(height, width)
        found = prepared(torch.from_numpy(picture)[None], preprocess)[0].numpy()
        away = np.abs(found.astype(int) - preprocess(picture))
        # A cubic curve overshoots, and makes two levels of one.
        assert away.max() <= {"nearest": 0, "bilinear": 1, "bicubic": 2}[interpolation], (height, width)
        differing.append((away > 0).mean())
    assert np.mean(differing) < 0.03
