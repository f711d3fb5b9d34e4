"""A convolutional net for small pictures, whole in one file, after airbench94 (Jordan, arXiv 2404.00498).

A frozen first layer that whitens patches of the pictures to learn from, then stages of [conv, pool, norm, GELU,
conv, norm, GELU] that halve the picture, until about 3 x 3 positions are left; the largest and the mean response
over them go to a linear head: what is there, and how much of it. Filters start as the identity, so that the first
steps learn on pictures, not on noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lensmith.models.packed import PackedConv

_LEAST_VARIANCE = 5e-4
"""Added to each direction's variance: pictures of one flat colour have directions without any."""


class ConvNet(nn.Module):
    """float [N, 3, size, size] -> [N, outputs]. widths: channels of the stages, the last one for all that follow.

    patch, stride: side of the patches that the first layer whitens, and their distance; by the size, if not
    given. `whiten` sets that layer from pictures; until then it holds random filters.
    """

    def __init__(
        self,
        outputs: int,
        image_size: int = 32,
        widths: Sequence[int] = (32, 64, 128),
        patch: int | None = None,
        stride: int | None = None,
    ) -> None:
        super().__init__()
        stride = stride or (1 if image_size < 48 else 2 if image_size < 128 else 4)
        patch = patch or max(2, min(4, 2 * stride))
        directions = min(16, 3 * patch * patch)
        self.stem = nn.Conv2d(3, 2 * directions, patch, stride, bias=False)
        self.stem.weight.requires_grad = False
        stages = max(1, min(6, round(math.log2(image_size / stride / 4))))
        widths = [widths[min(stage, len(widths) - 1)] for stage in range(stages)]
        self.stages = nn.Sequential(
            nn.GELU(),
            *(
                _stage(before, after)
                for before, after in zip([2 * directions, *widths[:-1]], widths, strict=True)
            ),
        )
        self.head = nn.Linear(2 * widths[-1], outputs)

    def forward(self, images: Tensor) -> Tensor:
        """float [N, 3, H, W] -> [N, outputs]."""
        maps = self.stages(self.stem(images))
        pooled = torch.cat([torch.amax(maps, dim=(2, 3)), torch.mean(maps, dim=(2, 3))], dim=1)
        outputs: Tensor = self.head(pooled)
        return outputs

    def whiten(self, images: Tensor) -> None:
        """Set the first layer from pictures, float [n, 3, H, W]: the directions in which their patches differ
        most, each with a variance of one, and its opposite."""
        side = self.stem.kernel_size[0]
        patches = images.float().unfold(2, side, 1).unfold(3, side, 1)
        flat = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3 * side * side)
        variances, directions = torch.linalg.eigh(flat.T @ flat / len(flat))
        kept = self.stem.out_channels // 2
        scaled = directions.T[-kept:] / (variances[-kept:, None] + _LEAST_VARIANCE).sqrt()
        with torch.no_grad():
            self.stem.weight.copy_(torch.cat([scaled, -scaled]).reshape(self.stem.weight.shape))


def _norm(channels: int) -> nn.BatchNorm2d:
    """Statistics that forget fast, so that they fit the weights after a short training too; no scale of its
    own, which the filters have already."""
    norm = nn.BatchNorm2d(channels, momentum=0.4)
    norm.weight.requires_grad = False
    return norm


def _conv(before: int, after: int) -> nn.Conv2d:
    conv = PackedConv(before, after, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[: min(before, after)])
    return conv


def _stage(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        _conv(before, after),
        nn.MaxPool2d(2),
        _norm(after),
        nn.GELU(),
        _conv(after, after),
        _norm(after),
        nn.GELU(),
    )
