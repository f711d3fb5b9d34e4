"""From bytes to upright RGB pixels, whatever a camera, a scanner or a drawing program wrote."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from drawn import encoded, noise, smooth
from PIL import Image, ImageOps

from lensmith.errors import PictureError
from lensmith.pictures.decode import decode, format_of, rgb_pixels

UPRIGHT = smooth(24, 32)
LAID_DOWN = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}
"""How a camera stores an upright picture that it marks with each of the EXIF orientations."""


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.fault(11)
@pytest.mark.parametrize("orientation", LAID_DOWN)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_turned_picture_comes_upright(kind: str, orientation: int) -> None:
    stored = np.ascontiguousarray(LAID_DOWN[orientation](UPRIGHT))
    options = {"quality": 98} if kind in ("JPEG", "WEBP") else {}
    pixels = decode(encoded(stored, kind, exif=turned(orientation), **options))
    assert pixels.shape == UPRIGHT.shape
    assert np.abs(pixels.astype(int) - UPRIGHT).max() <= 20, "turned wrongly: its corners differ by 200"


def test_a_picture_that_its_owner_turned_is_not_turned_again() -> None:
    image = Image.open(io.BytesIO(encoded(np.ascontiguousarray(LAID_DOWN[6](UPRIGHT)), exif=turned(6))))
    assert (rgb_pixels(image) == UPRIGHT).all()
    assert (rgb_pixels(ImageOps.exif_transpose(image)) == UPRIGHT).all()


@pytest.mark.fault(11)
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff garbage",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x05\0\0\0\x01\xff\xff\xff\xff",  # a fraction far outside
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0",  # orientation 99
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x02x\0\0\0",  # orientation "x"
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_says_nothing_and_stops_nothing(kind: str, exif: bytes) -> None:
    plain = decode(encoded(UPRIGHT, kind))
    assert (decode(encoded(UPRIGHT, kind, exif=exif)) == plain).all()


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})]
)
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bit_grey_is_scaled_not_clipped(kind: str, options: dict[str, str], order: str) -> None:
    deep = np.linspace(0, 65535, 24 * 32).reshape(24, 32).astype(order)
    pixels = decode(encoded(deep, kind, **options))
    assert np.abs(pixels[:, :, 0].astype(int) - deep.astype(int) / 257).max() <= 1
    assert (pixels[:, :, 0] == pixels[:, :, 2]).all()


def test_sixteen_bit_grey_is_turned_too() -> None:
    grey = noise(24, 32, channels=1)
    stored = np.ascontiguousarray(np.rot90(grey.astype(np.uint16) * 257, 1))
    assert (decode(encoded(stored, exif=turned(6)))[:, :, 1] == grey).all()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (noise(channels=1).astype(np.float32), "floating-point"),
        (noise(channels=1).astype(np.int32) * 1000, "32-bit"),
        (noise(channels=1).astype(np.int32) - 99, "32-bit"),
    ],
)
def test_pixels_without_a_stated_range_are_refused(array: np.ndarray, reason: str) -> None:
    with pytest.raises(PictureError, match=r"scan: .*range is not stated") as caught:
        decode(encoded(array, "TIFF"), name="scan")
    assert reason in caught.value.reason
    assert "8 or 16 bit" in caught.value.hint


def on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[:, :, None] / 255
    return colours * share + 255 * (1 - share)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_lies_on_white(kind: str) -> None:
    colours, alpha = noise(seed=1), noise(seed=2, channels=1)
    image = Image.fromarray(np.dstack([colours, alpha]))
    pixels = decode(encoded(image, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {})))
    assert np.abs(pixels - on_white(colours, alpha)).max() <= 1


def test_transparent_grey_lies_on_white() -> None:
    grey, alpha = noise(seed=1, channels=1), noise(seed=2, channels=1)
    pixels = decode(encoded(Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])))
    assert np.abs(pixels - on_white(np.dstack([grey] * 3), alpha)).max() <= 1


def test_a_transparent_palette_lies_on_white() -> None:
    indices = noise(channels=1) % 4
    image = Image.frombytes("P", (32, 24), indices.tobytes())
    image.putpalette([0, 0, 0, 200, 10, 10, 10, 200, 10, 10, 10, 200])
    palette = np.array([[0, 0, 0], [200, 10, 10], [10, 200, 10], [10, 10, 200]])
    each = np.array([255, 0, 128, 255])
    pixels = decode(encoded(image, transparency=bytes(each.tolist())))
    assert np.abs(pixels - on_white(palette[indices], each[indices])).max() <= 1
    one = decode(encoded(image, transparency=2))
    assert (one[indices == 2] == 255).all()
    assert (one[indices == 1] == palette[1]).all()


@pytest.mark.parametrize(
    ("image", "clear"),
    [
        (Image.fromarray(smooth()), (20, 20, 20)),
        (Image.fromarray(smooth()[:, :, 0]), 20),
        (Image.fromarray(smooth()[:, :, 0].astype(np.uint16) * 257), 20 * 257),
    ],
    ids=["RGB", "L", "I;16"],
)
def test_one_transparent_colour_lies_on_white(image: Image.Image, clear: int) -> None:
    pixels = decode(encoded(image, transparency=clear))
    marked = np.array(image) == clear
    marked = marked.all(axis=2) if marked.ndim == 3 else marked
    assert marked.any()
    assert (pixels[marked] == 255).all()
    assert pixels[~marked].max() < 250


def test_ink_and_bits_and_grey_become_rgb() -> None:
    ink = np.zeros((24, 32, 4), np.uint8)
    ink[:, 16:, 1:3] = 255  # magenta and yellow ink: red
    pixels = decode(encoded(Image.fromarray(ink, mode="CMYK"), "JPEG", quality=98))
    assert pixels[:, :14].min() > 240, "no ink is white paper"
    assert pixels[:, 18:, 0].min() > 240
    assert pixels[:, 18:, 1:].max() < 60
    bits = noise(channels=1) > 127
    assert (decode(encoded(Image.fromarray(bits)))[:, :, 0] == bits * 255).all()
    grey = noise(channels=1)
    assert (decode(encoded(grey)) == grey[:, :, None]).all()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_the_pixels_back(kind: str, tmp_path: Path) -> None:
    pixels = noise()
    assert (decode(encoded(pixels, kind)) == pixels).all()
    named_wrongly = tmp_path / "photo.jpg"
    named_wrongly.write_bytes(encoded(pixels, kind))
    assert (decode(named_wrongly) == pixels).all()


def test_a_gif_is_left_out_of_training_and_read_by_its_first_frame() -> None:
    first, second = (Image.new("RGB", (32, 24), colour) for colour in ("red", "blue"))
    moving = encoded(first, "GIF", save_all=True, append_images=[second])
    with pytest.raises(PictureError, match="GIF, which training leaves out") as caught:
        decode(moving)
    assert "PNG" in caught.value.hint
    assert (decode(moving, first_frame=True) == (255, 0, 0)).all()


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "TIFF"])
def test_the_first_of_several_frames_counts(kind: str) -> None:
    first, second = (Image.new("RGB", (32, 24), colour) for colour in ("red", "blue"))
    options = {"lossless": True} if kind == "WEBP" else {}
    moving = encoded(first, kind, save_all=True, append_images=[second], **options)
    assert (decode(moving) == (255, 0, 0)).all()


def test_avif_by_its_first_frame_and_heic_not_at_all() -> None:
    avif = encoded(Image.new("RGB", (32, 24), "red"), "AVIF", quality=95)
    with pytest.raises(PictureError, match="AVIF, which training leaves out"):
        decode(avif)
    assert np.abs(decode(avif, first_frame=True) - np.array([255.0, 0, 0])).max() < 12
    with pytest.raises(PictureError, match="HEIC, which cannot be read here"):
        decode(b"\0\0\0\x18ftypheic" + bytes(99), first_frame=True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "web page"),
        (b"\n  <HTML lang=en><head>", "web page"),
        (b"GIMP xcf file", "not a picture"),
        (b"P", "not a picture"),
        (b"\xff\xd8\xff", "damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"BM", "damaged"),
        (b"II*\x00", "damaged"),
        (b"P6 ", "damaged"),
        (b"RIFF\0\0\0\0WEBP", "damaged"),
    ],
)
def test_what_is_no_picture_says_what_it_is(content: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "cat.jpg"
    file.write_bytes(content)
    with pytest.raises(PictureError) as caught:
        decode(file)
    assert caught.value.name == str(file)
    assert reason in caught.value.reason
    assert "\n" not in caught.value.reason


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    for place in (tmp_path / "gone.jpg", tmp_path, tmp_path / ("x" * 300), Path("a\0b")):
        with pytest.raises(PictureError, match="cannot be opened"):
            decode(place)


def test_sides_are_limited_below() -> None:
    with pytest.raises(PictureError, match="3 x 3 pixels, a side under 4"):
        decode(encoded(noise(3, 3)))
    with pytest.raises(PictureError, match="500 x 2 pixels, a side under 4"):
        decode(encoded(noise(2, 500)))
    assert decode(encoded(noise(4, 4))).shape == (4, 4, 3)


SMALL_BOMB = """
import io, resource, struct, sys, zlib
from PIL import Image
from lensmith.pictures.decode import decode
from lensmith.errors import PictureError

def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

def png(side):
    rows = zlib.compressobj(9)
    packed = b"".join(rows.compress(bytes(side + 1)) for _ in range(side)) + rows.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")

content = png(int(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode(content)
except PictureError as error:
    print(len(content), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error.reason)
"""


@pytest.mark.fault(5)
@pytest.mark.skipif(sys.platform == "win32", reason="memory is read the Unix way")
@pytest.mark.parametrize("side", [10_000, 14_000])
def test_a_hundred_megapixels_in_a_small_file_are_refused_from_the_header(side: int) -> None:
    """14,000 squared is beyond where Pillow itself refuses; the words must be ours all the same."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SMALL_BOMB, str(side)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    size, grown, reason = done.stdout.split(maxsplit=2)
    assert int(size) < 250_000
    assert int(grown) < 20_000, "kilobytes: 100 MB would be the decoded picture"
    assert "80 million" in reason


def test_no_warning_leaks_and_the_users_own_stay() -> None:
    odd = encoded(UPRIGHT, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff garbage")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(decode, [odd] * 200))
        assert warnings.filters == before
        assert told == []
        warnings.warn("the user's own", stacklevel=1)
        assert len(told) == 1


def test_formats_are_known_by_content() -> None:
    for kind in ("JPEG", "PNG", "WebP", "BMP", "TIFF", "PPM", "GIF", "AVIF"):
        assert format_of(encoded(noise(), kind)) == kind
    assert format_of(b"RIFF\0\0\0\0WAVE") == format_of(b"P7\n") == format_of(b"PK\x03\x04") == ""
