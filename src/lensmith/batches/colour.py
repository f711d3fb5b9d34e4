"""Brightness, contrast and saturation, changed at random for each picture."""

from __future__ import annotations

import torch
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue give to the grey of a pixel (ITU-R BT.601)."""


def draw_factors(strength: float, count: int, generator: torch.Generator) -> Tensor:
    """float [count, 3]: what brightness, contrast and saturation are multiplied by, 1 - strength to 1 + strength."""
    return 1 + strength * (2 * torch.rand(count, 3, generator=generator) - 1)


def recoloured(pixels: Tensor, factors: Tensor) -> Tensor:
    """Brightness by its factor, contrast about the picture's mean grey, saturation about each pixel's grey.

    pixels: uint8 [N, H, W, 3]; factors: float [N, 3] -> float32 [N, H, W, 3], 0 to 255. The three of
    torchvision's ColorJitter in a fixed order, cut off at 0 and 255 once, at the end.
    """
    brightness, contrast, saturation = factors.to(pixels.device).unsqueeze(2).unbind(1)  # [N, 1] each
    values = pixels.flatten(1, 2).to(torch.float32)  # [N, H * W, 3]
    grey = values @ torch.tensor(_LUMA, device=pixels.device)
    both = brightness * contrast
    mean = grey.mean(1, keepdim=True)
    added = torch.addcmul(brightness * (1 - contrast) * mean, both * (1 - saturation), grey)
    values.mul_((both * saturation)[..., None]).add_(added[..., None]).clamp_(0, 255)
    return values.view(pixels.shape)
