"""Where in a picture a layer's maps speak for an answer: what each place adds to it, by its gradient.

The product of map and gradient, summed over channels: HiResCAM (Draelos and Carin, arXiv:2011.08891), which is exact
where the places are averaged and a linear layer follows, and needs no averaging over places, so that tokens and
Swin's maps are read as they are. Captum computes it.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lensmith.models.maps import MapLayer

_AT_ONCE = 8
"""Layers asked together: of a transformer's last block some ten are passed over, of other networks none."""


@dataclass(frozen=True)
class LayerHeat:
    """What each place of a layer's maps adds to an output, float32 [rows, columns]; below 0 where it takes off."""

    layer: str
    places: NDArray[np.float32]


def is_there() -> bool:
    """Whether the package that computes the gradients is installed."""
    return importlib.util.find_spec("captum") is not None


def layer_heat(network: nn.Module, images: Tensor, output: int) -> LayerHeat | None:
    """The heat of the last layer that shows the picture's places and that the answer depends on in any of them.

    images: float [1, C, H, W], normalised. None where a network has no such layer. The network is in eval mode.
    """
    from lensmith.models.maps import find_maps, last_maps

    layers = last_maps(find_maps(network, images))
    for start in range(0, len(layers), _AT_ONCE):
        part = layers[start : start + _AT_ONCE]
        for layer, places in zip(part, heats(network, images, output, part), strict=True):
            if places.any():  # behind the last attention, an answer may hang on the class token alone
                return LayerHeat(layer.name, places)
    return None


def heats(
    network: nn.Module, images: Tensor, output: int, layers: Sequence[MapLayer]
) -> list[NDArray[np.float32]]:
    """What each place of each layer adds to an output, float32 [rows, columns] each."""
    import torch
    from captum.attr import LayerGradientXActivation

    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")  # that it sets the pictures' requires_grad, which are ours
        products = LayerGradientXActivation(network, [layer.module for layer in layers]).attribute(
            images, target=output
        )
    return [
        layer.over_places(product.detach()).sum(1)[0].float().cpu().numpy()
        for layer, product in zip(layers, products, strict=True)
    ]
