"""Pictures of another size: whole ones, and windows of them each of a size of its own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 [N, H, W, 3] -> uint8 [N, height, width, 3], bilinear, each value the mean of what it covers."""
    if pixels.shape[1:3] == size:
        return pixels
    maps = pixels.permute(0, 3, 1, 2)
    if maps.device.type != "cpu":  # only there does torch resize bytes, and many times faster than floats
        maps = maps.to(torch.float32)
    maps = F.interpolate(maps, size=size, mode="bilinear", antialias=True)
    if maps.is_floating_point():
        maps = maps.round().to(torch.uint8)
    return maps.permute(0, 2, 3, 1)


def resized_windows(pixels: Tensor, index: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """One window of each picture, brought to one size.

    pixels: uint8 [N, H, W, 3]; index: int64 [B]; boxes: int64 [B, 4], top, left, height and width in pixels
    -> uint8 [B, height, width, 3].
    """
    if pixels.device.type != "cpu":
        return sampled_windows(pixels[index.to(pixels.device)], boxes.to(pixels.device), size)
    # Picture by picture, this takes a tenth of the time of a grid for photos, and as long for tiny pictures.
    found = [
        resized(pixels[row : row + 1, top : top + height, left : left + width], size)
        for row, (top, left, height, width) in zip(index.tolist(), boxes.tolist(), strict=True)
    ]
    return torch.cat(found)


def sampled_windows(pixels: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The same for all pictures at once, without regard to what lies between the sampled points.

    pixels: uint8 [B, H, W, 3]; boxes: int64 [B, 4], on the same device.
    """
    count, height, width = pixels.shape[:3]
    full = torch.tensor([height, width], device=pixels.device)
    scale = boxes[:, 2:] / full
    middle = (2 * boxes[:, :2] + boxes[:, 2:]) / full - 1
    onto = torch.zeros(count, 2, 3, device=pixels.device)
    onto[:, 0, 0], onto[:, 1, 1] = scale[:, 1], scale[:, 0]
    onto[:, 0, 2], onto[:, 1, 2] = middle[:, 1], middle[:, 0]
    grid = F.affine_grid(onto, [count, 3, *size], align_corners=False)
    maps = pixels.permute(0, 3, 1, 2).to(torch.float32)
    found = F.grid_sample(maps, grid, padding_mode="border", align_corners=False)
    return found.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
