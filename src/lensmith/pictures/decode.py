"""The one way from bytes to pixels: EXIF applied, 16 bit scaled, alpha composited, always RGB uint8."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from lensmith.errors import PictureError

Pixels = NDArray[np.uint8]

MAX_PIXELS = 80_000_000
"""Refused from the header above this: a 97 kB file can hold a hundred megapixels."""
MIN_SIDE = 4

NOT_OPENED, NO_MEMORY = "cannot be opened", "there is no memory"
"""How the reasons begin that say nothing of what the file holds: it may be read another time."""

BACKGROUND = (255, 255, 255)
"""What shows through transparent pixels."""

FORMATS: dict[str, Callable[..., Image.Image]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
}
PREDICT_ONLY: dict[str, Callable[..., Image.Image]] = {
    "GIF": GifImagePlugin.GifImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
"""Often many frames or a lossy copy of another file: skipped in training, first frame in prediction."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112

_SMALL, _LARGE = 1 << 16, 1 << 20
"""Bytes asked for at once: most pictures are read at the first call."""


def decode(
    source: Path | bytes, *, first_frame: bool = False, name: str = "", most_pixels: int = MAX_PIXELS
) -> Pixels:
    """Bytes or a file -> RGB pixels, uint8 [H, W, 3], upright.

    `first_frame` also takes GIF and AVIF, by their first frame. Raises `PictureError` with the reason.
    """
    if isinstance(source, Path):
        name = name or str(source)
        content = read_picture(source, name)
    else:
        name, content = name or "picture", source
    opener = _opener(content, first_frame, name)
    with _reading(name):
        return np.array(_upright(opener(io.BytesIO(content)), name, most_pixels))


def decode_image(content: bytes, name: str = "picture") -> Image.Image:
    """What `decode` makes of these bytes, as a Pillow image: for who goes on with Pillow."""
    return decode_with_mode(content, name)[0]


def decode_with_mode(content: bytes, name: str = "picture") -> tuple[Image.Image, str]:
    """The same, and Pillow's mode of what the file holds: RGB, L, P, CMYK, I;16, ..."""
    opener = _opener(content, False, name)
    with _reading(name):
        image = opener(io.BytesIO(content))
        mode = image.mode
        return _upright(image, name), mode


def rgb_pixels(image: Image.Image, name: str = "picture") -> Pixels:
    """A Pillow image of any mode -> RGB pixels, uint8 [H, W, 3], upright. Raises `PictureError`."""
    with _reading(name):
        return np.array(_upright(image, name))


def read_picture(path: Path, name: str = "") -> bytes:
    """The bytes of a picture's file. Raises `PictureError`."""
    try:
        return read_file(path)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        words = getattr(error, "strerror", None) or _first_line(error)
        raise PictureError(name or str(path), f"{NOT_OPENED} ({words})") from error


def read_file(path: Path, most: int | None = None) -> bytes:
    """The bytes of a file, or what one call gives of its first `most`; faster than Python's file objects."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        parts = [os.read(file, most or _SMALL)]
        while most is None and (part := os.read(file, _SMALL if len(parts) == 1 else _LARGE)):
            parts.append(part)
    finally:
        os.close(file)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _upright(image: Image.Image, name: str, most_pixels: int = MAX_PIXELS) -> Image.Image:
    _check_size(image.width, image.height, name, most_pixels)
    image.load()
    turn = _TURNS.get(_orientation(image))
    if turn is not None:
        image = image.transpose(turn)
    return _as_rgb(image, name)


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    """A damaged file makes a decoder raise almost anything; whatever it is, the picture cannot be read."""
    try:
        with QUIET:
            yield
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(name, f"more than {MAX_PIXELS // 1_000_000} million pixels") from error
    except MemoryError as error:
        raise PictureError(name, f"{NO_MEMORY} to decode it") from error
    except Exception as error:
        raise PictureError(name, f"damaged ({_first_line(error)})") from error


class _PillowsWarnings:
    """Held back while any thread decodes: odd EXIF and TIFF tags are no news to who trains.

    Counted, because `warnings.catch_warnings` entered by two threads at once restores the wrong filters.
    Who decodes many pictures enters it around them all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(None, None, None)


QUIET = _PillowsWarnings()


def format_of(content: bytes) -> str:
    """The format by content, `""` where it is none that lensmith knows."""
    for start, name in _MAGIC:
        if content.startswith(start):
            return name
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WebP"
    if content[4:8] == b"ftyp":
        return "AVIF" if content[8:12] in (b"avif", b"avis") else "HEIC"
    if content[:1] == b"P" and content[1:2] in b"123456" and content[2:3].isspace():
        return "PPM"
    return ""


_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)


def _opener(content: bytes, first_frame: bool, name: str) -> Callable[..., Image.Image]:
    kind = format_of(content)
    if kind in FORMATS:
        return FORMATS[kind]
    if kind in PREDICT_ONLY:
        if first_frame:
            return PREDICT_ONLY[kind]
        raise PictureError(name, f"{kind}, which training leaves out", hint="Save it as PNG to train on it.")
    if kind:
        raise PictureError(name, f"{kind}, which cannot be read here", hint="Save it as JPEG or PNG.")
    raise PictureError(name, _what_it_is(content))


def _what_it_is(content: bytes) -> str:
    if not content:
        return "empty file"
    head = content[:512].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "not a picture but a web page (HTML)"
    return "not a picture (JPEG, PNG, WebP, BMP, TIFF or PPM)"


def _check_size(width: int, height: int, name: str, most: int) -> None:
    if width * height > most:
        raise PictureError(name, f"{width} x {height} pixels, more than {most / 1e6:g} million")
    if min(width, height) < MIN_SIDE:
        raise PictureError(name, f"{width} x {height} pixels, a side under {MIN_SIDE}")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        # EXIF that cannot be parsed says nothing about which way is up.
        return 1


def _as_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return _from_integers(image, name)
    if image.mode == "F":
        raise PictureError(
            name, "floating-point pixels, whose range is not stated", hint="Save it as 8 or 16 bit."
        )
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, (*BACKGROUND, 255)), layer).convert("RGB")
    return image.convert("RGB")


def _from_integers(image: Image.Image, name: str) -> Image.Image:
    """16-bit grey to 8: scaled, where Pillow's own conversion clips nearly everything to white."""
    values: NDArray[Any] = np.array(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise PictureError(name, "32-bit pixels, whose range is not stated", hint="Save it as 8 or 16 bit.")
    if "transparency" in image.info:
        values[values == image.info["transparency"]] = 65535  # BACKGROUND shows
    grey = ((values * 255 + 32767) // 65535).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
