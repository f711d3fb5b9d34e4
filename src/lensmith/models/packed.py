"""A convolution whose weight gradient is computed on several pictures side by side.

oneDNN's weight gradient runs along the rows of a map; on the narrow maps deep in a network most of its vector
registers stay empty. Laid side by side with a column of zeros between them, pictures fill the rows, and the
sum over them is the same.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_NARROW = 8
_ROW = 32
"""About how wide a row should be."""


class PackedConv(nn.Conv2d):
    """`nn.Conv2d` of odd kernels, stride 1 and "same" padding, for training on CPUs in bfloat16."""

    def forward(self, input: Tensor) -> Tensor:
        """[N, in, H, W] -> [N, out, H, W]."""
        if (
            torch.is_grad_enabled()
            and input.device.type == "cpu"
            and input.shape[-1] <= _NARROW
            and torch.is_autocast_enabled("cpu")
        ):
            dtype = torch.get_autocast_dtype("cpu")
            packed: Tensor = _Packed.apply(input.to(dtype), self.weight.to(dtype))
            return packed
        return super().forward(input)


class _Packed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        return torch.conv2d(maps, weight, padding=weight.shape[-1] // 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        maps, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        to_maps = None
        if ctx.needs_input_grad[0]:
            to_maps, _, _ = _backward(gradient, maps, weight, [True, False, False])
        _, to_weight, _ = _backward(
            side_by_side(gradient, weight.shape[-1] // 2),
            side_by_side(maps, weight.shape[-1] // 2),
            weight,
            [False, True, False],
        )
        return to_maps, to_weight


def _backward(gradient: Tensor, maps: Tensor, weight: Tensor, wanted: list[bool]) -> Any:
    pads = [weight.shape[-1] // 2] * 2
    return torch.ops.aten.convolution_backward(
        gradient, maps, weight, None, [1, 1], pads, [1, 1], False, [0, 0], 1, wanted
    )


def side_by_side(maps: Tensor, gap: int) -> Tensor:
    """[N, C, H, W] -> [N / n, C, H, n * (W + gap)], zeros in the gaps; missing pictures are zeros too."""
    count, channels, height, width = maps.shape
    together = max(1, _ROW // (width + gap))
    rows = -(-count // together)
    wide = maps.new_zeros((rows, height, together, width + gap, channels))
    whole = count // together
    source = maps.permute(0, 2, 3, 1)  # [N, H, W, C], as the memory lies
    groups = source[: whole * together].reshape(whole, together, height, width, channels)
    wide[:whole, :, :, :width] = groups.transpose(1, 2)
    if whole < rows:
        rest = source[whole * together :]
        wide[whole, :, : len(rest), :width] = rest.transpose(0, 1)
    return wide.flatten(2, 3).permute(0, 3, 1, 2)
