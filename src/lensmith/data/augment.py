"""Random changes to training pictures, drawn for each picture of each epoch before the epoch starts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Augment:
    """flip: mirror half of the pictures, left to right; shift: how far they move, as a share of the side."""

    flip: bool = True
    shift: float = 0.125


@dataclass(frozen=True)
class Draws:
    """For each picture of the data set: top and left of its window, int64 [N], and whether it is mirrored."""

    top: Tensor
    left: Tensor
    mirrored: Tensor


def draw(
    augment: Augment, count: int, full: tuple[int, int], size: tuple[int, int], generator: torch.Generator
) -> Draws:
    """Windows of `size` in pictures of `full`, moved by up to `shift` beyond what is spare."""

    def offsets(whole: int, part: int) -> Tensor:
        reach = round(augment.shift * part)
        return torch.randint(-reach, whole - part + reach + 1, (count,), generator=generator)

    top, left = offsets(full[0], size[0]), offsets(full[1], size[1])
    mirrored = torch.rand(count, generator=generator) < (0.5 if augment.flip else 0.0)
    return Draws(top, left, mirrored)


def windows(pixels: Tensor, index: Tensor, draws: Draws, size: tuple[int, int]) -> Tensor:
    """The drawn windows of some pictures in one gather; what lies outside is mirrored in.

    pixels: uint8 [N, H, W, 3]; index: int64 [B] -> uint8 [B, height, width, 3].
    """
    if pixels.shape[1:3] == size and not (draws.top.any() or draws.left.any() or draws.mirrored.any()):
        return pixels[index.to(pixels.device)]
    rows = _mirror(draws.top[index][:, None] + torch.arange(size[0]), pixels.shape[1])
    columns = draws.left[index][:, None] + torch.arange(size[1])
    columns = _mirror(torch.where(draws.mirrored[index][:, None], columns.flip(1), columns), pixels.shape[2])
    device = pixels.device
    rows, columns, index = rows.to(device), columns.to(device), index.to(device)
    return pixels[index[:, None, None], rows[:, :, None], columns[:, None, :]]


def _mirror(positions: Tensor, side: int) -> Tensor:
    """Positions outside 0 .. side-1 folded back in, the edge itself not repeated."""
    last = max(side - 1, 1)
    folded = positions.remainder(2 * last)
    return torch.where(folded > last, 2 * last - folded, folded).clamp(max=side - 1)
