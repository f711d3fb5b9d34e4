"""Which layers of a network still show where in the picture something is: found by one run, and by shapes.

Maps are [N, C, H, W], or [N, H, W, C] as in Swin, or rows of tokens, among which may be some that are no part of the
picture (class, registers). Those are told by two pictures: what does not change from one to the other is none of it.
No name of a network is asked for, since people's own networks have other names.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lensmith.models.probe import probe

COARSE = 4
"""Places on a side under which a map tells little; an earlier one is taken, where there is one."""
_NONE_OF_IT = 16
"""Tokens that are no part of the picture, at most: a class, a teacher's class, up to eight registers."""


@dataclass(frozen=True)
class MapLayer:
    """A layer whose output keeps the picture's places.

    name, module: which layer. grid: rows and columns of places. channels: of each place. layout: "NCHW", "NHWC",
    "NTC" or "TNC". tokens: of the last two, which rows are places, from top left to bottom right.
    """

    name: str
    module: nn.Module
    grid: tuple[int, int]
    channels: int
    layout: str
    tokens: tuple[int, ...] = ()

    def over_places(self, values: Tensor) -> Tensor:
        """What this layer gives, or something of the same shape -> [N, C, rows, columns]."""
        if self.layout == "NCHW":
            return values
        if self.layout == "NHWC":
            return values.permute(0, 3, 1, 2)
        rows = values.transpose(0, 1) if self.layout == "TNC" else values
        places = rows[:, list(self.tokens)].transpose(1, 2)
        return places.reshape(*places.shape[:2], *self.grid)


def find_maps(model: nn.Module, images: Tensor) -> list[MapLayer]:
    """The layers of a network that keep the places of pictures, float [1, C, H, W], in the order in which they
    finish; each stage of the network ends in a smaller grid. Raises `UsageError` where the network fails on them.
    """
    # Another picture in every pixel: the same upside down, brighter where it was dark.
    both = torch.cat([images, 1 - images.flip(2, 3)])
    reader = _Reader(images.shape[2], images.shape[3])
    probe(model, both, before=reader.learn, after=reader.look)
    return list(reader.found.values())


def last_maps(layers: list[MapLayer]) -> list[MapLayer]:
    """The layers of the last stage whose grid is not too coarse, or of the finest; the last layer first.

    Of tokens only those that are as wide as most are: others are the inside of a block, such as what an attention
    asks with.
    """
    stages: dict[tuple[int, int], list[MapLayer]] = {}
    for layer in layers:
        stages.setdefault(layer.grid, []).append(layer)
    fine = [grid for grid in stages if min(grid) >= COARSE]
    if not stages:
        return []
    chosen = min(fine, key=math.prod) if fine else max(stages, key=math.prod)
    last = stages[chosen][::-1]
    widths = Counter(layer.channels for layer in last if layer.tokens)
    return [layer for layer in last if not layer.tokens or layer.channels == widths.most_common(1)[0][0]]


class _Reader:
    """Reads the places out of each output that goes by."""

    def __init__(self, height: int, width: int) -> None:
        self.found: dict[nn.Module, MapLayer] = {}
        self._size = height, width
        self._channels_last = False
        self._tokens: dict[tuple[str, int], tuple[tuple[int, int], tuple[int, ...]] | None] = {}
        self._smallest = height * width

    def learn(self, name: str, module: nn.Module, value: Any) -> None:
        """Which tokens are places, from what a layer is given: its own output may have attention behind it."""
        if isinstance(value, Tensor) and value.is_floating_point() and value.ndim == 3:
            self._of_tokens(name, module, value)

    def look(self, name: str, module: nn.Module, value: Any) -> None:
        """Keep a layer that gives a map; of a layer that runs twice, the last time."""
        self.found.pop(module, None)
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return
        layer = None
        if value.ndim == 4 and len(value) == 2:
            layer = self._of_map(name, module, value)
        elif value.ndim == 3:
            layer = self._of_tokens(name, module, value)
        if layer is None or math.prod(layer.grid) > self._smallest:
            return  # what was pooled and spread again shows no more places than before
        self._smallest = math.prod(layer.grid)
        self.found[module] = layer

    def _of_map(self, name: str, module: nn.Module, value: Tensor) -> MapLayer | None:
        _, first, second, third = value.shape
        if {first, second, third} & {length for (_, length), rows in self._tokens.items() if rows}:
            return None  # attention: each token against each, or its heads
        options = [("NCHW", (second, third)), ("NHWC", (first, second))]
        if self._channels_last:
            options.reverse()
        fitting = [(self._misfit(grid), layout, grid) for layout, grid in options]
        misfit, layout, grid = min(fitting, key=lambda one: one[0])
        if misfit > 1:
            return None
        self._channels_last = layout == "NHWC"
        return MapLayer(name, module, grid, first if layout == "NCHW" else third, layout)

    def _of_tokens(self, name: str, module: nn.Module, value: Tensor) -> MapLayer | None:
        layout = "NTC" if len(value) == 2 else "TNC"
        rows = value if layout == "NTC" else value.transpose(0, 1)
        if len(rows) != 2:
            return None
        key = layout, rows.shape[1]
        if key not in self._tokens:
            # Asked the first time only: later, attention has told the picture to every token.
            changed = (rows[0] != rows[1]).any(dim=1).nonzero().flatten().tolist()
            grid = self._grid_of(len(changed))
            is_it = grid is not None and rows.shape[1] - len(changed) <= _NONE_OF_IT
            self._tokens[key] = (grid, tuple(changed)) if grid is not None and is_it else None
        known = self._tokens[key]
        return MapLayer(name, module, known[0], rows.shape[2], layout, known[1]) if known else None

    def _grid_of(self, count: int) -> tuple[int, int] | None:
        """Rows and columns of so many places, in the shape of the picture."""
        height, width = self._size
        rows = round(math.sqrt(count * height / width))
        if not rows or count % rows or self._misfit((rows, count // rows)) > 1:
            return None
        return rows, count // rows

    def _misfit(self, grid: tuple[int, int]) -> float:
        """By how many places a grid is longer or shorter than pictures of this shape would have it."""
        (height, width), (rows, columns) = self._size, grid
        if rows > height or columns > width or rows * columns < 2:
            return math.inf
        return abs(columns - rows * width / height) * min(1.0, height / width)
