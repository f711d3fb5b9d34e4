"""Small plain pictures, many at a time: PNG and JPEG without anything that would turn, mix or refuse them.

Of what `decode` takes for a picture of 32 x 32, half goes into Pillow's reading of the header and into carrying
pixels from one object to the next. Here the header is only compared with what a plain file of the wanted size
begins with, and Pillow's decoders get the rest: a JPEG by itself, all PNGs of one mode as one tall picture.
Whatever is not exactly so is left to `decode`, and so are the reasons to refuse a file.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib

import numpy as np
from PIL import Image

from lensmith.pictures.decode import MIN_SIDE, Pixels, decode

try:  # inflates a small picture in two thirds of the time
    from isal.isal_zlib import decompress as _inflate
except ImportError:
    from zlib import decompress as _inflate

_LARGEST = 256 * 256
"""Pixels. In larger pictures the decoding itself takes the time."""
_BLOCK = 65_536
"""Bytes that Pillow hands to its JPEG decoder at once; a longer file is fed in parts."""

_MODES = {"RGB": (2, 3), "L": (0, 1)}
"""Pillow's mode -> PNG's colour type, and the number of components."""
_HARMLESS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9}
"""PNG chunks that `decode` does not look at, by the length that they must have."""
_FILTERS = b"\0\1\2\3\4"
_WINDOWS = {bytes([size << 4 | 8]) for size in range(8)}
"""First bytes that zlib takes; isal would take larger windows too."""


class Sheet:
    """Collects plain pictures of one size, (height, width), and decodes them to rows of a block."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._png = {_png_start(size, colour): mode for mode, (colour, _) in _MODES.items()}
        self._lines: dict[str, tuple[list[int], list[bytes]]] = {mode: ([], []) for mode in _MODES}
        self._jpeg: list[tuple[int, Image.Image]] = []

    def take(self, content: bytes, place: int) -> bool:
        """Take the file for a place in the block. False where it is not plain, of this size, and whole."""
        mode = self._png.get(content[:33])
        if mode is not None:
            lines = self._inflated(_png_data(content), mode)
            if lines is not None:
                self._lines[mode][0].append(place)
                self._lines[mode][1].append(lines)
            return lines is not None
        if content[:3] != b"\xff\xd8\xff" or len(content) > _BLOCK:
            return False
        mode = _jpeg_mode(content, self._size)
        if mode is None:
            return False
        try:
            image = Image.frombytes(mode, self._size[::-1], content, "jpeg", mode, "")
        except (ValueError, OSError):  # cut off, or damaged
            return False
        self._jpeg.append((place, image))
        return True

    def copy_to(self, block: Pixels) -> None:
        """Write what was taken to its places in the block, uint8 [n, height, width, 3]."""
        for place, image in self._jpeg:
            block[place] = _with_channels(np.asarray(image), image.mode)
        for mode, (places, lines) in self._lines.items():
            if places:
                pixels = self._png_pixels(mode, lines)
                block[slice(None) if len(places) == len(block) else places] = _with_channels(pixels, mode)

    def _inflated(self, data: bytes, mode: str) -> bytes | None:
        """The filtered lines of a PNG; None where they are not as many as there must be."""
        height, line = self._size[0], 1 + _MODES[mode][1] * self._size[1]
        if data[:1] not in _WINDOWS or len(data) > 2 * height * line:
            return None
        try:
            lines = _inflate(data, bufsize=height * line)
        except Exception:  # each library has its own
            return None
        return lines if len(lines) == height * line and not lines[::line].translate(None, _FILTERS) else None

    def _png_pixels(self, mode: str, pictures: list[bytes]) -> Pixels:
        """[n, height, width] or [n, height, width, 3], undone by Pillow as one tall PNG.

        A line may be told as what it adds to the one above it. A line of zeros between two pictures is the
        nothing that stands above a first line.
        """
        height, width = self._size
        apart = bytes(1 + _MODES[mode][1] * width)
        packed = zlib.compress(apart.join(pictures) + apart, 0)
        tall = Image.frombytes(mode, (width, (height + 1) * len(pictures)), packed, "zip", mode, 0)
        lines = np.asarray(tall)
        return lines.reshape(len(pictures), height + 1, *lines.shape[1:])[:, :height]


def new_sheet(size: tuple[int, int]) -> Sheet | None:
    """A sheet, where pictures of that size may be taken and gain by it."""
    if min(size) < MIN_SIDE or size[0] * size[1] > _LARGEST or not _works():
        return None
    return Sheet(size)


@functools.cache
def _works() -> bool:
    """Whether this Pillow gives here what it gives in `decode`: asked once, since versions to come may not."""
    ramp = np.arange(9 * 7 * 3, dtype=np.uint8).reshape(9, 7, 3)
    try:
        for image in (Image.fromarray(ramp), Image.fromarray(ramp[:, :, 0])):
            for kind in ("PNG", "JPEG"):
                file, sheet, block = io.BytesIO(), Sheet((9, 7)), np.zeros((2, 9, 7, 3), np.uint8)
                image.save(file, kind)
                if not sheet.take(file.getvalue(), 1):
                    return False
                sheet.copy_to(block)
                if (block[1] != decode(file.getvalue())).any():
                    return False
    except Exception:
        return False
    return True


def _with_channels(pixels: Pixels, mode: str) -> Pixels:
    """Grey gets a last axis of one, which spreads over the three of the block."""
    return pixels if mode == "RGB" else pixels[..., None]


def _png_start(size: tuple[int, int], colour: int) -> bytes:
    """The first 33 bytes of a PNG of 8 bits that is not interlaced."""
    header = b"IHDR" + struct.pack(">IIBBBBB", size[1], size[0], 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + header + struct.pack(">I", zlib.crc32(header))


def _png_data(content: bytes) -> bytes:
    """What a PNG's IDAT chunks hold; nothing unless every chunk is known, and the last one is there.

    Like Pillow, it leaves the pixels' own check to their Adler-32.
    """
    parts: list[bytes] = []
    at = 33
    while True:
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        end = at + 8 + length
        if kind == b"IDAT":
            parts.append(content[at + 8 : end])
        elif kind == b"IEND":
            return parts[0] if len(parts) == 1 else b"".join(parts)
        elif parts or not _is_harmless(kind, content[at + 4 : end], content[end : end + 4]):
            return b""
        at = end + 4


def _is_harmless(kind: bytes, chunk: bytes, check: bytes) -> bool:
    return len(chunk) - 4 == _HARMLESS.get(kind) and zlib.crc32(chunk) == int.from_bytes(check, "big")


def _jpeg_mode(content: bytes, size: tuple[int, int]) -> str | None:
    """The mode of a JPEG of this size; None where a segment before its first scan is not a plain one."""
    mode = None
    at = 2
    while content[at : at + 1] == b"\xff" and at + 4 <= len(content):
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        body = content[at + 4 : at + 2 + length]
        if length < 2 or len(body) != length - 2:
            return None
        if marker == 0xDA:
            return mode
        if marker in (0xC0, 0xC1, 0xC2):
            found = _frame_mode(body, size)
            if mode is not None or found is None:
                return None
            mode = found
        elif not _is_plain_segment(marker, body):
            return None
        at += 2 + length
    return None


def _frame_mode(body: bytes, size: tuple[int, int]) -> str | None:
    if body[:5] != struct.pack(">BHH", 8, *size):
        return None
    return next((mode for mode, (_, layers) in _MODES.items() if body[5:6] == bytes([layers])), None)


def _is_plain_segment(marker: int, body: bytes) -> bool:
    """Tables, JFIF and comments; EXIF, profiles and Adobe's colours are for `decode`."""
    if marker == 0xE0:
        return len(body) == 14 and body.startswith(b"JFIF\0")
    if marker == 0xDB:  # tables of 8 bits
        return len(body) % 65 == 0 and all(first < 16 for first in body[::65])
    return marker in (0xC4, 0xDD, 0xFE)
