"""A bundle as one `.pt2` file: torch's own exported program, from pixels to probabilities."""

from __future__ import annotations

import io
import json
from typing import Any

import torch
from torch import SymInt, Tensor, nn
from torch.nn import functional as F

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.engines import torch_network
from lensmith.bundle.graph import Pixels, silence
from lensmith.errors import ModelFileError
from lensmith.exports.resize import require_exportable
from lensmith.features.neighbours import TINY
from lensmith.pictures.decode import MIN_SIDE
from lensmith.pictures.preprocess import Preprocess

FACTS_FILE = "lensmith.json"
_TIE = 1e-4
"""Of a level: halves are rounded up, as Pillow does it, though float32 may see them from below."""

Side = int | SymInt


class Whole(nn.Module):
    """A network with all that stands before and after it: uint8 [N, H, W, 3] of any size -> answers."""

    def __init__(self, model: nn.Module, bundle: Bundle) -> None:
        super().__init__()
        self.network = Pixels(model, bundle.preprocess)
        self.preprocess, self.task = bundle.preprocess, bundle.task
        self.temperature, self.threshold = bundle.facts.temperature, bundle.facts.threshold
        self.register_buffer("said_from", torch.tensor(bundle.facts.label_thresholds or [0.5]))
        self.neighbours = bundle.neighbours
        if self.neighbours is not None:
            self.register_buffer("bank", torch.from_numpy(self.neighbours.bank.T.copy()))

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """uint8 [N, H, W, 3] -> probabilities, float32 [N, outputs], and whether it is sure, bool [N]; for regression
        the values, [N]."""
        logits, features = self.network.look(prepared(images, self.preprocess))
        if self.task == "regression":
            return torch.squeeze(logits, 1)
        scaled = logits / self.temperature
        if self.task == "multilabel":
            chances = torch.sigmoid(scaled)
            assert isinstance(self.said_from, Tensor)
            certain = torch.where(chances >= self.said_from, chances, 1 - chances).amin(1)
        else:
            chances = torch.softmax(scaled, 1)
            certain = chances.amax(1)
        sure = certain >= self.threshold
        if self.neighbours is None:
            return chances, sure
        if features is None:
            raise ModelFileError(
                "the network does not end in a linear layer, whose features its neighbours need"
            )
        return chances, sure & (self._distance(features, self.neighbours.rank) <= self.neighbours.limit)

    def _distance(self, features: Tensor, rank: int) -> Tensor:
        """As `Neighbours.distances`."""
        size, bank = features.abs(), self.bank
        assert isinstance(bank, Tensor)
        length = size.sum(1, keepdim=True).sqrt().clamp(min=TINY)
        cosines = (features.sign() * size.sqrt() / length) @ bank.to(torch.float32)
        return 1 - cosines.topk(rank, dim=1).values.amin(1)


def program_file(bundle: Bundle) -> bytes:
    """The whole model as a `.pt2` file, with its classes in `lensmith.json` inside.

    Raises `ModelFileError` where torch has not the network's code, or cannot follow it.
    """
    require_exportable(bundle.preprocess)
    whole = Whole(torch_network(bundle.facts, bundle.files), bundle).eval()
    # Sides that no network is made for: where one stands in the program, it is a variable.
    example = torch.zeros((2, 3 * MIN_SIDE + 41, 3 * MIN_SIDE + 59, 3), dtype=torch.uint8)
    sides = [
        torch.export.Dim(name, min=least) for name, least in (("N", 1), ("H", MIN_SIDE), ("W", MIN_SIDE))
    ]
    buffer = io.BytesIO()
    facts = {"classes": bundle.classes, "task": bundle.task, "sha256": bundle.sha256}
    try:
        with silence(), torch.no_grad():
            program = torch.export.export(
                whole, (example,), dynamic_shapes={"images": dict(enumerate(sides))}, strict=False
            )
            limits = {"threshold": bundle.facts.threshold, "label_thresholds": bundle.facts.label_thresholds}
            text = json.dumps({**facts, **limits}, ensure_ascii=False)
            torch.export.save(program, buffer, extra_files={FACTS_FILE: text})
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelFileError(
            f"torch.export cannot follow the network ({reason})", hint="As .onnx or .lens it may go."
        ) from error
    return buffer.getvalue()


def prepared(images: Tensor, preprocess: Preprocess) -> Tensor:
    """`Preprocess` in torch, on any device: uint8 [N, H, W, 3] -> uint8 [N, height, width, 3].

    Without a branch, so that one program serves every size.
    """
    height, width = images.shape[1], images.shape[2]
    rows, columns = _resized_to(preprocess, height, width)
    planes = _resized(images.permute(0, 3, 1, 2).to(torch.float32), rows, columns, preprocess.interpolation)
    if preprocess.fit != "squish":
        for axis, (full, wanted) in enumerate(zip((rows, columns), preprocess.size, strict=True), 2):
            planes = _middle(planes, axis, full, wanted, preprocess)
    return planes.to(torch.uint8).permute(0, 2, 3, 1)


def _resized_to(preprocess: Preprocess, height: Side, width: Side) -> tuple[Any, Any]:
    """`Preprocess.resized_to`: the larger of two for crop, the smaller for pad."""
    if preprocess.fit == "squish":
        return preprocess.size
    crop, resize = preprocess.fit == "crop", preprocess.resize
    full, wide = (resize, resize) if crop and resize is not None else preprocess.size
    if crop:
        return torch.sym_max(full, height * wide // width), torch.sym_max(wide, width * full // height)
    rows = torch.sym_max(1, (2 * height * wide + width) // (2 * width))
    columns = torch.sym_max(1, (2 * width * full + height) // (2 * height))
    return torch.sym_min(full, rows), torch.sym_min(wide, columns)


def _resized(planes: Tensor, rows: Side, columns: Side, interpolation: str) -> Tensor:
    """Levels as float32 [N, 3, H, W] -> [N, 3, rows, columns], by Pillow's two passes in Pillow's order."""
    height, width = planes.shape[2], planes.shape[3]
    if interpolation == "nearest":
        for axis, before, after in ((2, height, rows), (3, width, columns)):
            planes = planes.index_select(axis, _nearest(before, after, planes.device))
        return planes

    def level(values: Tensor, *size: Any) -> Tensor:
        sums = F.interpolate(values, size=size, mode=interpolation, antialias=True)
        return torch.clamp(torch.floor(sums + (0.5 + _TIE)), 0, 255)

    width_first = level(level(planes, height, columns), rows, columns)
    height_first = level(level(planes, rows, width), rows, columns)
    fewer = torch.scalar_tensor(height - rows, dtype=torch.int64, device=planes.device)
    much = torch.scalar_tensor(2 * (width - columns), dtype=torch.int64, device=planes.device)
    return torch.where((fewer > 0) & (fewer > much), height_first, width_first)


def _nearest(before: Side, after: Side, device: torch.device) -> Tensor:
    """Where each new pixel comes from: Pillow adds up the steps, so that equals fall to the same side."""
    step: Any = before / after
    shares = torch.where(torch.arange(after, device=device) == 0, 0.5, 1.0).to(torch.float64)
    return torch.cumsum(shares * step, 0).floor().to(torch.int64).clamp(max=before - 1)


def _middle(planes: Tensor, axis: int, full: Side, wanted: int, preprocess: Preprocess) -> Tensor:
    """The middle `wanted` of `full` rows or columns; with `fill` around it where it is pad."""
    if preprocess.fit == "crop":
        spare = full - wanted
        half = spare // 2
        first = half + (spare % 2) * (half % 2)  # halves go to the even one, as Python's `round` has it
        return planes.index_select(axis, torch.arange(wanted, device=planes.device) + first)
    places = torch.arange(wanted, device=planes.device) - (wanted - full) // 2
    shape = [wanted if dim == axis else 1 for dim in range(4)]
    inside = ((places >= 0) & (places < full)).view(shape)
    fill = torch.tensor(preprocess.fill, dtype=planes.dtype, device=planes.device).view(1, 3, 1, 1)
    return torch.where(inside, planes.index_select(axis, places.clamp(0).clamp(max=full - 1)), fill)
