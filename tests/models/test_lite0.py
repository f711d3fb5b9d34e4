"""Our EfficientNet-Lite0 against timm's, with the packaged weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lensmith.bundle.graph import trace
from lensmith.errors import ModelFileError
from lensmith.models.foreign import read_state
from lensmith.models.lite0 import Lite0, load_lite0
from lensmith.models.published import published, weights_file
from lensmith.models.weights import weights_bytes
from lensmith.pictures.preprocess import Preprocess

timm = pytest.importorskip("timm")
ort = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def packaged() -> dict[str, Tensor]:
    return read_state(weights_file("efficientnet_lite0", published("efficientnet_lite0", 224)))[0]


@pytest.fixture(scope="module")
def pair(packaged: Mapping[str, Tensor]) -> tuple[Lite0, Any]:
    """Ours and timm's, with the same weights."""
    ours, theirs = Lite0(1000), timm.create_model("tf_efficientnet_lite0")
    assert load_lite0(ours, packaged) == []
    theirs.load_state_dict(dict(zip(theirs.state_dict(), packaged.values(), strict=True)))
    return ours.eval(), theirs.eval()


@pytest.mark.parametrize("size", [(224, 224), (161, 98), (33, 32)])
@torch.no_grad()
def test_outputs_and_features_are_those_of_timm(pair: tuple[Lite0, Any], size: tuple[int, int]) -> None:
    ours, theirs = pair
    images = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    features = ours.features(images)
    assert features.shape == (1, 1280)
    assert (
        features - theirs.forward_head(theirs.forward_features(images), pre_logits=True)
    ).abs().max() < 1e-4
    outputs = ours(images)
    assert (outputs - theirs(images)).abs().max() < 1e-4
    assert torch.equal(outputs, ours.head(features))


def test_batch_statistics_and_gradients_are_those_of_timm(packaged: Mapping[str, Tensor]) -> None:
    ours, theirs = Lite0(1000).train(), timm.create_model("tf_efficientnet_lite0").train()
    load_lite0(ours, packaged)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), packaged.values(), strict=True)))
    images = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    for net in (ours, theirs):
        net(images).square().mean().backward()
    assert torch.allclose(ours.conv_stem.weight.grad, theirs.conv_stem.weight.grad, rtol=1e-3, atol=1e-6)
    assert torch.allclose(ours.bn2.running_var, theirs.bn2.running_var, rtol=1e-5)


def test_timm_and_own_names_are_taken_in_any_order(pair: tuple[Lite0, Any]) -> None:
    ours, theirs = pair
    for state in (theirs.state_dict(), ours.state_dict()):
        model = Lite0(1000)
        assert load_lite0(model, dict(sorted(state.items(), reverse=True))) == []
        assert all(torch.equal(t, model.state_dict()[name]) for name, t in ours.state_dict().items())


def test_another_head_is_left_out_and_named(packaged: Mapping[str, Tensor]) -> None:
    model = Lite0(2)
    before = model.head.weight.clone()
    assert load_lite0(model, packaged) == ["head.weight", "head.bias"]
    assert torch.equal(model.head.weight, before)
    assert torch.equal(model.conv_head.weight, packaged["_conv_head.weight"])


def test_a_body_alone_is_taken(packaged: Mapping[str, Tensor]) -> None:
    model = Lite0(2)
    body = {name: tensor for name, tensor in packaged.items() if not name.startswith("_fc")}
    assert load_lite0(model, body) == []
    assert torch.equal(model.bn2.running_mean, packaged["_bn1.running_mean"])


def test_other_weights_are_refused_and_nothing_is_loaded(packaged: Mapping[str, Tensor]) -> None:
    model = Lite0(1000)
    before = model.conv_stem.weight.clone()
    with pytest.raises(ModelFileError, match="1 tensors, where it has"):
        load_lite0(model, {"a": torch.zeros(3)})
    wrong = dict(packaged) | {"_conv_head.weight": torch.zeros(640, 320, 1, 1)}
    with pytest.raises(ModelFileError, match=r"conv_head.weight is \[640, 320, 1, 1\], where it has \[1280"):
        load_lite0(model, wrong)
    assert torch.equal(model.conv_stem.weight, before)


def test_the_graph_computes_the_same(packaged: Mapping[str, Tensor], tmp_path: Any) -> None:
    model = Lite0(1000).eval()
    load_lite0(model, packaged)
    weights = weights_bytes(model)
    (tmp_path / "weights.safetensors").write_bytes(weights)
    (tmp_path / "graph.onnx").write_bytes(trace(model, Preprocess(97), weights))
    session = ort.InferenceSession(tmp_path / "graph.onnx", providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).integers(0, 256, (3, 97, 97, 3), np.uint8)
    (logits,) = session.run(["logits"], {"images": pixels})
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        assert np.abs(model(images).numpy() - logits).max() < 1e-3
