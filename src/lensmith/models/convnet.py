"""A small convolutional net for small pictures, whole in one file.

Stages of [conv, pool, norm, GELU, conv, norm, GELU] halve the picture and double the width until about
4 x 4 positions are left; the largest and the mean response over them go to a linear head: what is there,
and how much of it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class ConvNet(nn.Module):
    """float [N, 3, size, size] -> [N, outputs]."""

    def __init__(self, outputs: int, image_size: int = 32, width: int = 32) -> None:
        super().__init__()
        stages = max(1, min(6, round(math.log2(image_size / 4))))
        widths = [min(256, width * 2**stage) for stage in range(stages)]
        self.stages = nn.Sequential(
            *(_stage(before, after) for before, after in zip([3, *widths[:-1]], widths, strict=True))
        )
        self.head = nn.Linear(2 * widths[-1], outputs)

    def forward(self, images: Tensor) -> Tensor:
        """float [N, 3, H, W] -> [N, outputs]."""
        maps = self.stages(images)
        pooled = torch.cat([torch.amax(maps, dim=(2, 3)), torch.mean(maps, dim=(2, 3))], dim=1)
        outputs: Tensor = self.head(pooled)
        return outputs


def _norm(channels: int) -> nn.BatchNorm2d:
    """Statistics that forget fast, so that they fit the weights after a short training too."""
    return nn.BatchNorm2d(channels, momentum=0.4)


def _stage(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        _norm(after),
        nn.GELU(),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        _norm(after),
        nn.GELU(),
    )
