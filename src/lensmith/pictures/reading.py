"""A picture in any form that a person holds one in -> RGB pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lensmith.errors import PictureError
from lensmith.pictures.decode import Pixels, decode, rgb_pixels


def pixels_of(picture: Any, *, bgr: bool = False, first_frame: bool = False, name: str = "picture") -> Pixels:
    """A path, bytes, Pillow image, array or tensor -> uint8 [H, W, 3], RGB.

    Arrays are [H, W], [H, W, C] (`bgr=True` for OpenCV's order) and tensors [H, W], [C, H, W]; uint8 is
    taken as it is, floats must lie in 0 to 1. Four channels hold alpha. Raises `PictureError`.
    """
    if isinstance(picture, str | Path):
        return decode(Path(picture), first_frame=first_frame)
    if isinstance(picture, bytes | bytearray | memoryview):
        return decode(bytes(picture), first_frame=first_frame, name=name)
    if isinstance(picture, Image.Image):
        return rgb_pixels(picture, name)
    if isinstance(picture, np.ndarray):
        return _from_array(picture, bgr, name)
    if hasattr(picture, "detach") and hasattr(picture, "numpy"):
        tensor = picture.detach().cpu()
        # numpy has no bfloat16
        array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            return _from_array(np.moveaxis(array, 0, -1), bgr, name)
        if array.ndim == 2:
            return _from_array(array, bgr, name)
        raise _not_one_picture("a tensor", array, name)
    raise PictureError(
        name,
        f"a {type(picture).__name__} is not a picture",
        hint="Give a path, bytes, Pillow image, array or tensor.",
    )


def _from_array(array: NDArray[Any], bgr: bool, name: str) -> Pixels:
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise _not_one_picture("an array", array, name)
    array = _as_uint8(array, name)
    if bgr and array.shape[2] > 1:
        array = array[:, :, [2, 1, 0, *range(3, array.shape[2])]]
    array = array[:, :, 0] if array.shape[2] == 1 else array
    return rgb_pixels(Image.fromarray(np.ascontiguousarray(array)), name)


def _not_one_picture(what: str, array: NDArray[Any], name: str) -> PictureError:
    return PictureError(
        name,
        f"{what} of shape {array.shape} is not one picture",
        hint="Arrays are [H, W] or [H, W, 1, 3 or 4]; tensors are [H, W] or [1, 3 or 4, H, W].",
    )


def _as_uint8(array: NDArray[Any], name: str) -> Pixels:
    if array.dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if array.dtype == np.uint16:
        scaled: NDArray[np.int64] = (array.astype(np.int64) * 255 + 32767) // 65535
        return scaled.astype(np.uint8)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    low, high = (array.min(), array.max()) if array.size else (0, 0)
    if not np.issubdtype(array.dtype, np.floating) or not (low >= 0 and high <= 1):
        raise PictureError(
            name,
            f"{array.dtype} values from {low:.4g} to {high:.4g} are neither uint8 nor floats in 0 to 1",
            hint="Undo the normalisation, or convert with .astype(np.uint8).",
        )
    levels: NDArray[np.floating[Any]] = np.rint(array * 255)
    return levels.astype(np.uint8)
