"""Small networks, each the same at every call, and pictures for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Pixels = NDArray[np.uint8]


class Tied(nn.Module):
    """A norm with running statistics, a buffer, and two layers that share one weight."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.front = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU())
        self.first, self.second = nn.Linear(24, 24), nn.Linear(24, 24)
        self.second.weight = self.first.weight
        self.register_buffer("shift", torch.linspace(-1, 1, 24))
        self.drop, self.head = nn.Dropout(0.4), nn.Linear(24, outputs)

    def forward(self, images: Tensor) -> Tensor:
        seen = nn.functional.adaptive_avg_pool2d(self.front(images), 2).flatten(1)
        inner: Tensor = self.second(torch.relu(self.first(seen))) + self.shift
        outputs: Tensor = self.head(self.drop(inner))
        return outputs


def tied_net(outputs: int = 3) -> nn.Module:
    """`Tied`, its statistics moved by some training, left in training mode."""
    torch.manual_seed(0)
    net = Tied(outputs)
    for _ in range(5):
        net(torch.randn(8, 3, 16, 16) * 2 + 1)
    with torch.no_grad():
        net.head.weight.mul_(20)
        grey = torch.linspace(-1, 1, 9).view(9, 1, 1, 1).expand(9, 3, 16, 16)
        net.head.bias.sub_(net.eval()(grey).mean(0))  # so that not all pictures get one answer
    return net.train()


def smooth_net(outputs: int = 4) -> nn.Module:
    """A network whose answers move little where pixels do: means of tiles, and a linear layer."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3 * 3 * 4, outputs))
    with torch.no_grad():
        net[2].weight.normal_(0, 0.5)
    return net


BRANCHING = """
import torch
from torch import nn


class Branching(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.light, self.dark = nn.Linear(48, outputs), nn.Linear(48, outputs)

    def forward(self, images):
        seen = images.flatten(1)
        return self.light(seen) if images.mean() > 0 else self.dark(seen)


def make(outputs):
    torch.manual_seed(2)
    return Branching(outputs)
"""


def scene(height: int, width: int, seed: int = 0) -> Pixels:
    """A picture of soft blobs and a hard edge, uint8 [height, width, 3]."""
    rng = np.random.default_rng([seed, height, width])
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [np.sin(rng.uniform(2, 9) * x + rng.uniform(2, 9) * y + rng.uniform(0, 6)) for _ in range(3)]
    picture = 127 + 90 * np.stack(waves, axis=2) + rng.normal(0, 8, (height, width, 3))
    picture[height // 3 :, : width // 4] = rng.integers(0, 256, 3)
    return np.clip(picture, 0, 255).astype(np.uint8)


def by_hand(net: nn.Module, pixels: Sequence[Pixels], mean: Any, std: Any) -> NDArray[np.float32]:
    """Prepared pixels -> outputs, as any PyTorch tutorial has it."""
    net.eval()
    with torch.inference_mode():
        images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
        images = (images - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
        outputs: NDArray[np.float32] = net(images).numpy()
    return outputs
