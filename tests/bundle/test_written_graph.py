"""Graphs written layer by layer: the same answers as torch, for any number of pictures; else not written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from lensmith.bundle.engines import onnx_engine
from lensmith.bundle.graph import Pixels, _written
from lensmith.models.convnet import ConvNet
from lensmith.models.lite0 import Lite0
from lensmith.models.tutorial import TutorialNet
from lensmith.models.weights import weights_bytes
from lensmith.pictures.preprocess import Preprocess


class Guide(nn.Module):
    """As tutorials write it: functions for what has no weights, `view` for the flattening."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5, padding="same", dilation=2)
        self.fc1, self.fc2 = nn.Linear(16 * 7 * 7, 20), nn.Linear(20, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(torch.relu(self.conv2(x)), kernel_size=2)
        x = x.view(x.size(0), -1)
        x = F.dropout(torch.tanh(self.fc1(x)), training=self.training)
        return F.silu(self.fc2(x)) * 2 + 1


class Mixed(nn.Module):
    """Two branches, other poolings, and a reshape that leaves the number of pictures open."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(3, 4, 5, stride=2, padding=2)
        self.pool, self.norm = nn.AvgPool2d(2, padding=1), nn.LayerNorm(12)
        self.scale = nn.Parameter(torch.tensor([0.5]))
        self.inner = nn.Linear(12, 12, bias=False)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([self.one(x), self.two(x)], dim=1) * self.scale
        maps = self.pool(F.gelu(both))
        x = torch.cat([maps.mean((2, 3)), torch.amax(self.one(x), dim=(2, 3))], 1)
        tokens = self.inner(self.norm(x).reshape(-1, 1, 12))
        return self.head(tokens.flatten(1) + x)


NETS: dict[str, Any] = {
    "tutorial": lambda: TutorialNet(3),
    "convnet": lambda: ConvNet(3),
    "guide": Guide,
    "mixed": Mixed,
    "lite0": lambda: Lite0(3),
    "resnet18": lambda: models.resnet18(num_classes=3),
    "vgg11_bn": lambda: models.vgg11_bn(num_classes=3),
    "mobilenet_v2": lambda: models.mobilenet_v2(num_classes=3),
    "mobilenet_v3": lambda: models.mobilenet_v3_small(num_classes=3),
    "curves": lambda: nn.Sequential(
        *(
            nn.Conv2d(3, 3, 1),
            nn.Hardswish(),
            nn.Hardsigmoid(),
            nn.Sigmoid(),
            nn.SiLU(),
            nn.ReLU6(),
            nn.GELU("tanh"),
        ),
        *(nn.Dropout(), nn.AdaptiveAvgPool2d((4, 8)), nn.Flatten(), nn.BatchNorm1d(96), nn.Linear(96, 3)),
    ),
}


def states(net: nn.Module) -> nn.Module:
    """The same network with statistics and weights of their own, as after a training."""
    draw = torch.Generator().manual_seed(0)
    for name, value in net.state_dict().items():
        if name.endswith("running_mean"):
            value.copy_(torch.randn(value.shape, generator=draw) * 0.1)
        elif name.endswith("running_var"):
            value.copy_(torch.rand(value.shape, generator=draw) + 0.5)
    return net.eval()


@pytest.mark.parametrize("name", NETS)
def test_the_answers_are_those_of_torch(name: str) -> None:
    torch.manual_seed(0)
    net = states(NETS[name]())
    steps = Preprocess(224 if name == "vgg11_bn" else 32)
    weights = weights_bytes(net)
    graph = _written(net, steps, weights)
    assert graph is not None, "this network consists of common layers"
    assert len(graph) < 0.2 * len(weights) + 60_000, "its weights stay in the other file"
    for count in (1, 5):
        pictures = np.random.default_rng(count).integers(0, 256, (count, *steps.size, 3), np.uint8)
        with torch.no_grad():
            wanted = Pixels(net, steps)(torch.from_numpy(pictures)).numpy()
        found = onnx_engine(graph, weights)(pictures)
        np.testing.assert_allclose(found, wanted, atol=1e-4 * max(1, np.abs(wanted).max()))


class Deciding(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) if float(x.sum()) > 0 else x.amax((2, 3))


class AcrossPictures(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) - x.mean((0, 2, 3))


class Twice(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


@pytest.mark.parametrize(
    "net",
    [
        Deciding(),
        AcrossPictures(),
        nn.Sequential(Twice(3, 3, 1), nn.Flatten()),
        nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), nn.Flatten()),
        nn.Sequential(
            nn.Flatten(), nn.Unflatten(1, (48, 64)), nn.TransformerEncoderLayer(64, 2), nn.Flatten()
        ),
    ],
)
def test_what_is_not_common_is_left_to_the_exporter(net: nn.Module) -> None:
    assert _written(net.eval(), Preprocess(32), weights_bytes(net)) is None
