"""A damaged file gives pixels or a `PictureError`: never another exception, never the end of the process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from drawn import encoded, noise, smooth

from lensmith.errors import PictureError
from lensmith.pictures.decode import Pixels, decode

KINDS = {
    "JPEG": encoded(smooth(), "JPEG"),
    "progressive": encoded(smooth(), "JPEG", progressive=True),
    "PNG": encoded(noise()),
    "RGBA": encoded(noise(channels=4)),
    "WebP": encoded(smooth(), "WEBP"),
    "lossless WebP": encoded(smooth(), "WEBP", lossless=True),
    "BMP": encoded(smooth(), "BMP"),
    "PPM": encoded(smooth(), "PPM"),
    "TIFF": encoded(smooth(), "TIFF"),
    "LZW": encoded(smooth(), "TIFF", compression="tiff_lzw"),
    "GIF": encoded(smooth(), "GIF"),
    "AVIF": encoded(smooth(), "AVIF"),
}


def pixels_or_reason(content: bytes) -> Pixels | str:
    try:
        return decode(content, first_frame=True)
    except PictureError as error:
        assert error.reason
        return error.reason


@pytest.mark.parametrize("kind", KINDS)
def test_one_flipped_bit_anywhere(kind: str) -> None:
    content = KINDS[kind]
    draws = np.random.default_rng(0)
    for place in range(0, len(content), max(1, len(content) // 250)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(draws.integers(8))
        found = pixels_or_reason(bytes(damaged))
        assert isinstance(found, str) or (found.dtype == np.uint8 and found.shape[2] == 3)


EVERY_BYTE = """
import sys
from lensmith.pictures.decode import decode
from lensmith.errors import PictureError

content = sys.stdin.buffer.read()
refused = 0
for place in range(len(content)):
    damaged = bytearray(content)
    damaged[place] ^= 0xFF
    try:
        decode(bytes(damaged))
    except PictureError:
        refused += 1
print(refused, len(content))
"""


@pytest.mark.fault(4)
@pytest.mark.parametrize("kind", ["PNG", "RGBA"])
def test_a_png_with_any_byte_flipped_leaves_the_process_alive(kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERY_BYTE], input=KINDS[kind], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    refused, places = map(int, done.stdout.split())
    assert refused > 0.9 * places, "PNG carries check sums: most damage is seen"


@pytest.mark.fault(2)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_off_anywhere_is_refused(kind: str) -> None:
    content = KINDS[kind]
    assert isinstance(pixels_or_reason(content), np.ndarray)
    for share in (0.02, 0.1, 0.3, 0.5, 0.8):
        found = pixels_or_reason(content[: int(len(content) * share)])
        assert isinstance(found, str), f"cut at {share:.0%}: half a picture passed for a whole one"


def test_a_file_of_nonsense_behind_a_good_beginning() -> None:
    nonsense = noise(64, 64).tobytes()
    for content in KINDS.values():
        for kept in (4, 12, 30, 60):
            pixels_or_reason(content[:kept] + nonsense)
