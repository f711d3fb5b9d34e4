"""`Preprocess`: how a picture of any size becomes what the model sees. One value, everywhere the same."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lensmith.errors import PictureError, UsageError
from lensmith.pictures.decode import MAX_PIXELS, Pixels

Fit = Literal["crop", "pad", "squish"]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

_MOST_SIDE = 8192


@dataclass(frozen=True)
class Preprocess:
    """Resize, then crop or pad, in uint8; the normalisation is carried along for whoever makes floats of it.

    size: (height, width) of the result, or one number for both.
    fit: crop (short side to `resize`, then the centre), pad (whole picture, `fill` around it) or squish.
    resize: short side before the centre crop; the smallest that covers `size` where it is not given.
    mean, std: of values in 0 to 1, one per channel.

    The arithmetic of crop is that of torchvision's Resize and CenterCrop on Pillow images.
    """

    size: tuple[int, int]
    fit: Fit = "crop"
    resize: int | None = None
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    fill: tuple[int, int, int] = (128, 128, 128)

    def __post_init__(self) -> None:
        size: Any = self.size
        pair = (size, size) if isinstance(size, int) else size
        object.__setattr__(self, "size", (int(pair[0]), int(pair[1])))
        for name, kind in (("mean", float), ("std", float), ("fill", int)):
            object.__setattr__(self, name, tuple(kind(value) for value in getattr(self, name)))
        if min(self.size) < 1 or (self.resize is not None and self.resize < 1):
            raise UsageError(f"Preprocess(size={self.size}, resize={self.resize}): sizes start at 1")
        if max(*self.size, self.resize or 1) > _MOST_SIDE:
            raise UsageError(
                f"Preprocess(size={self.size}, resize={self.resize}): sizes end at {_MOST_SIDE:,}"
            )
        if self.fit not in ("crop", "pad", "squish"):
            raise UsageError(f"Preprocess(fit={self.fit!r}): it is crop, pad or squish")
        if self.interpolation not in _FILTERS:
            raise UsageError(
                f"Preprocess(interpolation={self.interpolation!r}): it is one of {', '.join(_FILTERS)}"
            )
        if not len(self.mean) == len(self.std) == len(self.fill) == 3:
            raise UsageError("Preprocess: mean, std and fill hold one number per channel")
        if not all(map(math.isfinite, self.mean)) or not all(0 < value < math.inf for value in self.std):
            raise UsageError(f"Preprocess(mean={self.mean}, std={self.std}): finite numbers, std above 0")
        if not all(0 <= value <= 255 for value in self.fill):
            raise UsageError(f"Preprocess(fill={self.fill}): levels are 0 to 255")

    def __call__(self, pixels: Pixels) -> Pixels:
        """RGB pixels, uint8 [H, W, 3], of any size -> uint8 [height, width, 3]."""
        if pixels.shape[:2] == self.size and (self.fit != "crop" or self.resize in (None, min(self.size))):
            return pixels
        inner = self.resized_to(pixels.shape[0], pixels.shape[1])
        if self.fit == "crop":
            return _centre(self._resized(pixels, inner), self.size, 0)
        if self.fit == "pad":
            return _centre(self._resized(pixels, inner), self.size, self.fill)
        return self._resized(pixels, inner)

    def resized_to(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of a picture after resizing, before crop or pad. Whole numbers only, so that an
        exported graph computes the same. Raises `PictureError` for a strip that would become too large."""
        if self.fit == "squish":
            return self.size
        if self.fit == "pad":
            box_height, box_width = self.size
            if box_height * width >= box_width * height:
                return max(1, (2 * height * box_width + width) // (2 * width)), box_width
            return box_height, max(1, (2 * width * box_height + height) // (2 * height))
        box_height, box_width = self.size if self.resize is None else (self.resize, self.resize)
        if box_height * width >= box_width * height:
            box_width = width * box_height // height
        else:
            box_height = height * box_width // width
        if box_height * box_width > MAX_PIXELS:
            raise PictureError("picture", f"{width} x {height} pixels, too long and narrow to be cropped")
        return box_height, box_width

    def shown_of(self, height: int, width: int) -> tuple[float, float, float, float]:
        """(top, left, height, width) of what the result shows of a picture, in the picture's own pixels."""
        if self.fit != "crop":
            return 0.0, 0.0, float(height), float(width)
        full, wide = self.resized_to(height, width)
        (top, rows), (left, columns) = _window(full, self.size[0]), _window(wide, self.size[1])
        return top * height / full, left * width / wide, rows * height / full, columns * width / wide

    def affine(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(scale, offset), each float32 [3]: `pixel * scale + offset` is the normalised value."""
        mean, std = np.array(self.mean, np.float64), np.array(self.std, np.float64)
        return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)

    def enlarged(self, ratio: float) -> Preprocess:
        """The same, for pictures that are still to be cropped at random: `ratio` times the size."""
        size = (round(self.size[0] * ratio), round(self.size[1] * ratio))
        return dataclasses.replace(self, size=size, resize=None)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    def _resized(self, pixels: Pixels, size: tuple[int, int]) -> Pixels:
        if pixels.shape[:2] == size:
            return pixels
        return np.array(Image.fromarray(pixels).resize((size[1], size[0]), _FILTERS[self.interpolation]))


def preprocess_from(facts: dict[str, Any]) -> Preprocess:
    """A `Preprocess` from its JSON form, whose numbers are numbers: no words, no fractions of a pixel."""
    known = {field.name for field in dataclasses.fields(Preprocess)}
    unknown = sorted(set(facts) - known)
    if unknown:
        raise UsageError(
            f"Preprocess has no field {', '.join(unknown)}", hint="The file may come from a newer lensmith."
        )
    try:
        _refuse_other_types(facts)
        return Preprocess(**facts)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise UsageError(f"Preprocess: its fields are damaged ({error})") from error


def _refuse_other_types(facts: dict[str, Any]) -> None:
    size = facts["size"]
    whole = [*(size if isinstance(size, list | tuple) else [size, size]), *facts.get("fill", ())]
    if len(whole) not in (2, 5) or not all(type(number) is int for number in whole):
        raise TypeError("size is two whole numbers, fill three")
    if type(facts.get("resize")) not in (int, type(None)):
        raise TypeError("resize is a whole number")
    if not all(type(number) in (int, float) for name in ("mean", "std") for number in facts.get(name, ())):
        raise TypeError("mean and std are numbers")


def _window(length: int, wanted: int) -> tuple[int, int]:
    """Where the centre of a side starts, and how long it is."""
    return (round((length - wanted) / 2), wanted) if length > wanted else (0, length)


def _centre(pixels: Pixels, size: tuple[int, int], fill: int | tuple[int, int, int]) -> Pixels:
    """The centre of `pixels`, with `fill` around it where it is too small."""
    (height, width), (full, wide) = size, pixels.shape[:2]
    if full < height or wide < width:
        canvas = np.empty((max(height, full), max(width, wide), 3), np.uint8)
        canvas[:] = fill
        top, left = (canvas.shape[0] - full) // 2, (canvas.shape[1] - wide) // 2
        canvas[top : top + full, left : left + wide] = pixels
        pixels, (full, wide) = canvas, canvas.shape[:2]
    (top, _), (left, _) = _window(full, height), _window(wide, width)
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])
