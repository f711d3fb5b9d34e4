"""Cutout: a square of each training picture is covered (DeVries and Taylor, arXiv 1708.04552)."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_centres(count: int, generator: torch.Generator) -> Tensor:
    """float [count, 2]: where the squares lie, from top and left, as shares of the sides."""
    return torch.rand(count, 2, generator=generator)


def cover(images: Tensor, centres: Tensor, share: float) -> None:
    """Set a square of each picture to zero, which is the mean that normalisation takes off, in place.

    images: float [N, 3, H, W]; centres: float [N, 2]; share: of the side. What of a square lies beyond the
    edge is lost, as in the paper.
    """
    centres = centres.to(images.device)
    rows = _span(centres[:, 0], images.shape[2], share)
    columns = _span(centres[:, 1], images.shape[3], share)
    picture = torch.arange(len(images), device=images.device)
    images.permute(0, 2, 3, 1)[picture[:, None, None], rows[:, :, None], columns[:, None, :]] = 0.0


def _span(centres: Tensor, side: int, share: float) -> Tensor:
    """int64 [N, length]: the positions that a square takes along one side."""
    length = max(1, round(share * side))
    first = (centres * side).to(torch.int64) - length // 2
    return (first[:, None] + torch.arange(length, device=centres.device)).clamp(0, side - 1)
