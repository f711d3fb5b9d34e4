"""Features, what the last linear layer is given: the same from the graph as from torch, whoever wrote the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from small_nets import scene, tied_net
from torch import Tensor, nn

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.engines import onnx_engine, torch_engine
from lensmith.bundle.graph import _exported, _written
from lensmith.models.weights import weights_bytes
from lensmith.pictures.preprocess import Preprocess

STEPS = Preprocess(16)
PIXELS = np.stack([scene(16, 16, seed) for seed in range(5)])


class Shifted(nn.Module):
    """What comes out is the last layer's, and something more."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(768, 3)

    def forward(self, images: Tensor) -> Tensor:
        return torch.tanh(self.head(images.flatten(1)))


class WithoutBias(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.front, self.head = nn.Linear(768, 12), nn.Linear(12, 3, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.head(torch.relu(self.front(images.flatten(1))))
        return outputs


def pooled() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 12, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 3)
    )


@pytest.mark.parametrize(
    ("write", "net"),
    [
        (_written, pooled()),
        (_written, WithoutBias()),
        (_exported, WithoutBias()),
        (_exported, tied_net()),
    ],
    ids=["written", "written without bias", "exported without bias", "exported"],
)
def test_the_graph_gives_what_torch_gives(write: Any, net: nn.Module) -> None:
    weights = weights_bytes(net.eval())
    graph = write(net, STEPS, weights)
    there, here = onnx_engine(graph, weights).see, torch_engine(net, STEPS).see
    assert there is not None and here is not None
    (logits, features), (wanted, others) = there(PIXELS), here(PIXELS)
    assert features is not None and others is not None
    assert features.shape == others.shape and features.shape[1] in (12, 24)
    np.testing.assert_allclose(features, others, atol=1e-4)
    np.testing.assert_allclose(logits, wanted, atol=1e-3)


@pytest.mark.parametrize(
    "net",
    [Shifted(), nn.Sequential(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())],
    ids=["more", "convolution"],
)
def test_a_network_that_ends_otherwise_shows_none(net: nn.Module) -> None:
    bundle = Bundle(net, preprocess=STEPS, classes=["a", "b", "c"])
    assert [one.name for one in onnx.load_from_string(bundle.files["graph.onnx"]).graph.output] == ["logits"]
    assert bundle.features(PIXELS) is None
    see = torch_engine(net.eval(), STEPS).see
    assert see is not None and see(PIXELS)[1] is None
