"""Pictures as they lie in real folders and should not: each under the number of its fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from drawn import encoded, smooth
from painted import COLOURS, paint
from PIL import Image

BEE = Image.new("RGB", (24, 20), COLOURS["bee"])
ANT = Image.new("RGB", (24, 20), COLOURS["ant"])


def _grey16() -> Image.Image:
    return Image.fromarray(smooth()[:, :, 0].astype(np.uint16) * 257)


def _half_seen(mode: str) -> Image.Image:
    """A bee whose left half is clear."""
    picture = BEE.convert(mode)
    alpha = Image.new("L", BEE.size, 255)
    alpha.paste(0, (0, 0, 12, 20))
    picture.putalpha(alpha)
    return picture


def _moving(kind: str, **options: object) -> bytes:
    return encoded(BEE, kind, save_all=True, append_images=[ANT], **options)


def _bits(side: int) -> bytes:
    return encoded(Image.new("1", (side, side)))


WHOLE = encoded(paint("bee", 50, 200), "JPEG")

REFUSED: dict[str, tuple[int, bytes, str]] = {
    "empty.jpg": (1, b"", "empty file"),
    "half.jpg": (2, WHOLE[: len(WHOLE) // 2], "damaged"),
    "page.jpg": (3, b"<!DOCTYPE html>\n<html><title>Not found</title></html>", "web page (HTML)"),
    "huge.png": (5, _bits(10_000), "10000 x 10000 pixels, more than 80 million"),
    "vast.png": (5, _bits(20_000), "20000 x 20000 pixels, more than 80 million"),
    "measured.tiff": (8, encoded(smooth()[:, :, 0].astype(np.float32), "TIFF"), "range is not stated"),
    "phone.heic": (12, b"\0\0\0\x18ftypheic" + bytes(99), "HEIC, which cannot be read here"),
    "layers.jpg": (13, b"8BPS\0\1" + bytes(99), "not a picture"),
    "drawing.jpg": (13, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
    "dot.png": (14, encoded(BEE.resize((1, 1))), "1 x 1 pixels, a side under 4"),
    "line.png": (14, encoded(BEE.resize((5000, 1))), "5000 x 1 pixels, a side under 4"),
}
"""name -> its fault, its bytes, words of the reason for which nobody reads it."""

ONLY_ASKED: dict[str, tuple[int, bytes, str]] = {
    "moving.gif": (10, _moving("GIF"), "GIF, which training leaves out"),
    "new.avif": (12, encoded(BEE, "AVIF", quality=95), "AVIF, which training leaves out"),
}
"""What `predict` answers by the first frame, and training leaves out with a reason."""

_PALETTE = BEE.convert("P", palette=Image.Palette.ADAPTIVE, colors=4)

READ: dict[str, tuple[int, bytes, Image.Image]] = {
    "ink.jpg": (6, encoded(BEE.convert("CMYK"), "JPEG", quality=98), BEE),
    "deep.png": (7, encoded(_grey16()), Image.fromarray(smooth()[:, :, 0])),
    "deep.tiff": (7, encoded(_grey16(), "TIFF"), Image.fromarray(smooth()[:, :, 0])),
    "clear.png": (9, encoded(_half_seen("RGB")), Image.new("RGB", BEE.size, "white")),
    "clear-grey.png": (9, encoded(_half_seen("L")), Image.new("L", BEE.size, "white")),
    "clear-palette.png": (9, encoded(_PALETTE, transparency=0), Image.new("RGB", BEE.size, "white")),
    "moving.webp": (10, _moving("WEBP", lossless=True), BEE),
    "moving.png": (10, _moving("PNG"), BEE),
    "really-a-tiff.jpg": (13, encoded(BEE, "TIFF"), BEE),
}
"""What is read like any other: name -> its fault, its bytes, and the plain picture that it has to equal."""

for _name, _mode in (("clear.png", "RGB"), ("clear-grey.png", "L")):
    _plain = READ[_name][2]
    _plain.paste(BEE.convert(_mode).crop((12, 0, 24, 20)), (12, 0))


def put(folder: Path) -> None:
    """Write all of them into a folder."""
    for files in (REFUSED, ONLY_ASKED, READ):
        for name, (_, content, *_rest) in files.items():
            (folder / name).write_bytes(content)
