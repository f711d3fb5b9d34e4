"""Random changes to training pictures, drawn for each picture of each epoch before the epoch starts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lensmith.errors import UsageError
from lensmith.pictures.resample import resized_windows


@dataclass(frozen=True)
class Augment:
    """flip: mirror half of the pictures, left to right; shift: how far they move, as a share of the side.

    transform: a user's own, of one picture, uint8 [3, H, W], in the place of flip, shift and crop.
    crop: least share of a picture's area that is shown at full size, 0 for off; in the place of shift.
    colour: strength of the change of brightness, contrast and saturation, 0 to 1. cutout: side of the square
    that is covered, as a share of the picture's.
    """

    flip: bool = True
    shift: float = 0.125
    transform: Callable[[Any], Any] | None = None
    crop: float = 0.0
    colour: float = 0.0
    cutout: float = 0.0


@dataclass(frozen=True)
class Draws:
    """For each picture of the data set: top and left of its window, int64 [N], and whether it is mirrored.

    boxes: windows of different sizes, in the place of top and left: int64 [N, 4], top, left, height, width.
    """

    top: Tensor
    left: Tensor
    mirrored: Tensor
    boxes: Tensor | None = None

    def of(self, index: Tensor) -> Draws:
        """Those of some pictures, int64 [B]."""
        boxes = None if self.boxes is None else self.boxes[index]
        return Draws(self.top[index], self.left[index], self.mirrored[index], boxes)


def draw(
    augment: Augment, count: int, full: tuple[int, int], size: tuple[int, int], generator: torch.Generator
) -> Draws:
    """Windows of `size` in pictures of `full`, moved by up to `shift` beyond what is spare; none mirrored."""
    still = torch.zeros(count, dtype=torch.bool)
    if augment.crop:
        boxes = _boxes(augment.crop, count, full, generator)
        return Draws(boxes[:, 0], boxes[:, 1], still, boxes)

    def offsets(whole: int, part: int) -> Tensor:
        reach = round(augment.shift * part)
        return torch.randint(-reach, whole - part + reach + 1, (count,), generator=generator)

    top, left = offsets(full[0], size[0]), offsets(full[1], size[1])
    return Draws(top, left, still)


def _boxes(least: float, count: int, full: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Windows of at least this share of the area, their shape up to a third wider or higher than the picture's
    (as torchvision's RandomResizedCrop, but none that would have to be drawn again)."""
    area, shape, down, across = torch.rand(4, count, generator=generator, dtype=torch.float64)
    area = least + (1 - least) * area
    widest = (-area.log()).clamp(max=math.log(4 / 3))  # a wider one of that area would not fit
    ratio = ((2 * shape - 1) * widest).exp()
    height = (full[0] * (area / ratio).sqrt()).round().clamp(1, full[0])
    width = (full[1] * (area * ratio).sqrt()).round().clamp(1, full[1])
    top, left = (down * (full[0] - height + 1)).floor(), (across * (full[1] - width + 1)).floor()
    return torch.stack([top, left, height, width], 1).to(torch.int64)


def windows(pixels: Tensor, index: Tensor, draws: Draws, size: tuple[int, int]) -> Tensor:
    """The drawn windows of some pictures in one gather; what lies outside is mirrored in.

    pixels: uint8 [N, H, W, 3]; index: int64 [B] -> uint8 [B, height, width, 3].
    """
    if draws.boxes is not None:
        found = resized_windows(pixels, index, draws.boxes[index], size)
        mirrored = draws.mirrored[index].to(pixels.device)
        return torch.where(mirrored[:, None, None, None], found.flip(2), found)
    if pixels.shape[1:3] == size and not (draws.top.any() or draws.left.any() or draws.mirrored.any()):
        return pixels[index.to(pixels.device)]
    rows = _mirror(draws.top[index][:, None] + torch.arange(size[0]), pixels.shape[1])
    columns = draws.left[index][:, None] + torch.arange(size[1])
    columns = _mirror(torch.where(draws.mirrored[index][:, None], columns.flip(1), columns), pixels.shape[2])
    device = pixels.device
    rows, columns, index = rows.to(device), columns.to(device), index.to(device)
    return pixels[index[:, None, None], rows[:, :, None], columns[:, None, :]]


def transformed(
    pixels: Tensor, transform: Callable[[Any], Any], seeds: Tensor, size: tuple[int, int]
) -> Tensor:
    """Each picture through a user's transform, torch's random numbers being its own; then its centre.

    pixels: uint8 [B, H, W, 3]; seeds: int64 [B] -> uint8 [B, height, width, 3]. Nobody else's random numbers
    move. Raises `UsageError` for what the transform raises, and where its pictures are too small.
    """
    made = []
    with torch.random.fork_rng(devices=[pixels.device] if pixels.is_cuda else []):
        for picture, seed in zip(pixels, seeds.tolist(), strict=True):
            torch.manual_seed(seed)
            made.append(_centre(_applied(transform, picture.permute(2, 0, 1)), size))
    return torch.stack(made)


def _applied(transform: Callable[[Any], Any], picture: Tensor) -> Tensor:
    """uint8 [3, H, W] -> uint8 [H, W, 3], whatever kind of picture the transform gives."""
    try:
        result = transform(picture)
    except Exception as error:
        raise UsageError(
            f"augment failed on a picture {list(picture.shape)} ({type(error).__name__}: {error})",
            hint="Its steps are given tensors, uint8 [3, H, W]; begin it with ToPILImage() if they need Pillow.",
        ) from error
    if hasattr(result, "convert"):  # a Pillow image
        return torch.from_numpy(np.array(result.convert("RGB"))).to(picture.device)
    if not isinstance(result, Tensor) or result.ndim != 3 or result.shape[0] not in (1, 3):
        shape = list(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise UsageError(f"augment gave {shape} for a picture {list(picture.shape)}, not [3, H, W]")
    if result.is_floating_point():
        low, high = float(result.amin()), float(result.amax())
        if low < -0.001 or high > 1.001:
            raise UsageError(f"augment gave values from {low:.3g} to {high:.3g}, and 0 to 1 are a picture's")
        result = (result * 255).round().clamp(0, 255).to(torch.uint8)
    return result.as_subclass(Tensor).expand(3, -1, -1).permute(1, 2, 0)


def _centre(picture: Tensor, size: tuple[int, int]) -> Tensor:
    top, left = (picture.shape[0] - size[0]) // 2, (picture.shape[1] - size[1]) // 2
    if top < 0 or left < 0:
        raise UsageError(
            f"augment gave a picture of {picture.shape[0]} x {picture.shape[1]}, and the network sees "
            f"{size[0]} x {size[1]}",
            hint="End it with RandomResizedCrop or Resize to that size, or say another image_size.",
        )
    return picture[top : top + size[0], left : left + size[1]]


def _mirror(positions: Tensor, side: int) -> Tensor:
    """Positions outside 0 .. side-1 folded back in, the edge itself not repeated."""
    last = max(side - 1, 1)
    folded = positions.remainder(2 * last)
    return torch.where(folded > last, 2 * last - folded, folded).clamp(max=side - 1)
