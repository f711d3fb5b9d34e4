"""`activations`: what each layer makes of one picture; `activation_sheet`: all of it as one picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn
from torch.nn.modules import activation, conv, pooling

from lensmith.errors import UsageError
from lensmith.models.probe import place_of, probe

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_KINDS = tuple(
    kind
    for module in (conv, pooling, activation)
    for kind in vars(module).values()
    if isinstance(kind, type)
    and issubclass(kind, nn.Module)
    and kind not in (nn.Module, nn.MultiheadAttention)
)
_PER_ROW, _ROWS, _TILE, _GAP, _LINE = 16, 2, 48, 2, 16


def activations(
    model: nn.Module, picture: Tensor | NDArray[Any], *, writer: SummaryWriter | None = None, step: int = 0
) -> dict[str, Tensor]:
    """The maps after each convolution, pooling and activation layer -> name: float32 [C, H, W], on the CPU.

    picture: [3, H, W], as the network takes it; uint8 is divided by 255. In the order in which the layers
    run; a layer that runs again is counted, `relu (2)`. What a forward computes without a module, such as
    `F.relu`, does not show. The network is left as it was. writer: TensorBoard's, which then gets each
    layer's maps as one picture, under `activations/`. Raises `UsageError` for a picture of another shape,
    and where the network fails on it.
    """
    pixels = torch.as_tensor(picture)
    if pixels.ndim != 3:
        raise UsageError(f"activations takes one picture [3, H, W], and this is {list(pixels.shape)}")
    if pixels.shape[2] == 3 and pixels.shape[0] != 3:
        raise UsageError(
            f"activations takes a picture [3, H, W], and this is {list(pixels.shape)}",
            hint="Its channels are last: picture.transpose(2, 0, 1), or permute(2, 0, 1) of a tensor.",
        )
    device, dtype = place_of(model)
    images = pixels[None].to(device, dtype) / (255 if pixels.dtype == torch.uint8 else 1)
    maps: dict[str, Tensor] = {}
    runs: dict[str, int] = {}

    def keep(name: str, module: nn.Module, output: Any) -> None:
        if isinstance(module, _KINDS) and isinstance(output, Tensor) and output.ndim == 4:
            runs[name] = runs.get(name, 0) + 1
            name = f"{name} ({runs[name]})" if runs[name] > 1 else name
            # A copy: the next layer may work in place.
            maps[name] = output[0].detach().to("cpu", torch.float32, copy=True)

    probe(model, images, after=keep)
    if writer is not None:
        for name, layer in maps.items():
            writer.add_image(f"activations/{name}", np.asarray(_band(name, layer)), step, dataformats="HW")
    return maps


def activation_sheet(maps: Mapping[str, Tensor]) -> Image.Image:
    """The maps of `activations` as one grey picture: a line of words per layer, 32 channels below.

    Each channel is spread from its least value (black) to its greatest (white). Raises `UsageError` where
    there is nothing to show.
    """
    if not maps:
        raise UsageError(
            "there are no maps to show", hint="The net has no convolution, pooling or activation layer."
        )
    bands = [_band(name, layer) for name, layer in maps.items()]
    sheet = Image.new("L", (bands[0].width, sum(band.height for band in bands)), 32)
    top = 0
    for band in bands:
        sheet.paste(band, (0, top))
        top += band.height
    return sheet


def _band(name: str, layer: Tensor) -> Image.Image:
    channels, height, width = layer.shape
    shown = min(channels, _PER_ROW * _ROWS)
    step = _TILE + _GAP
    rows = -(-shown // _PER_ROW)
    band = Image.new("L", (_PER_ROW * step + _GAP, _LINE + rows * step), 32)
    words = f"{name}   {channels} x {height} x {width}" + (f", the first {shown}" if shown < channels else "")
    # The font that needs no FreeType knows Latin letters only.
    words = words.encode("latin-1", "replace").decode("latin-1")
    ImageDraw.Draw(band).text((_GAP, _GAP), words, fill=255, font=ImageFont.load_default())
    for number in range(shown):
        row, column = divmod(number, _PER_ROW)
        band.paste(_tile(layer[number].numpy()), (_GAP + column * step, _LINE + row * step))
    return band


def _tile(channel: NDArray[np.float32]) -> Image.Image:
    """One map as grey with the longer side as long as a tile."""
    values = np.nan_to_num(channel, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float64)
    low, spread = values.min(), values.max() - values.min()
    grey = (values - low) / (spread or 1) * 255
    longest = max(values.shape)
    size = (max(1, values.shape[1] * _TILE // longest), max(1, values.shape[0] * _TILE // longest))
    # Small maps keep their squares; large ones are averaged.
    way = Image.Resampling.NEAREST if longest <= _TILE else Image.Resampling.BOX
    return Image.fromarray(grey.astype(np.uint8)).resize(size, way)
