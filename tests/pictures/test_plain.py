"""Small plain pictures come as `decode` gives them, or are left to it: never anything else."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from drawn import encoded, noise, smooth
from PIL import Image

from lensmith.errors import PictureError
from lensmith.pictures import plain
from lensmith.pictures.decode import Pixels, decode
from lensmith.pictures.plain import Sheet, new_sheet

GREY = smooth()[:, :, 0]
SIZE = (24, 32)
inflaters = [zlib.decompress]
if plain._inflate is not zlib.decompress:
    inflaters.append(plain._inflate)


@pytest.fixture(params=inflaters, ids=lambda one: one.__module__)
def inflater(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once with Python's own zlib, once with what is installed beside it."""
    monkeypatch.setattr(plain, "_inflate", request.param)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: tuple[bytes, bytes], colour: int = 2, interlaced: int = 0) -> bytes:
    """A PNG of 32 x 24 of these chunks, between its first and its last one."""
    header = struct.pack(">IIBBBBB", 32, 24, 8, colour, 0, 0, interlaced)
    middle = b"".join(chunk(kind, data) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + middle + chunk(b"IEND", b"")


def packed(pixels: Pixels, window: int = 15, filters: bytes = b"\0\1\2\3\4") -> bytes:
    """Pixels as IDAT holds them; `filters` are said of the lines in turn, as if the bytes were so filtered."""
    lines = b"".join(filters[i % len(filters)].to_bytes() + row.tobytes() for i, row in enumerate(pixels))
    going = zlib.compressobj(9, zlib.DEFLATED, window)
    return going.compress(lines) + going.flush()


def taken(content: bytes, size: tuple[int, int] = SIZE) -> Pixels | None:
    """What a sheet makes of a file between two others, which stay as they are."""
    other = encoded(noise(*size, seed=9))
    sheet, block = Sheet(size), np.full((3, *size, 3), 7, np.uint8)
    found = [sheet.take(one, place) for place, one in enumerate((other, content, other))]
    sheet.copy_to(block)
    assert found[0] and found[2]
    assert (block[0] == noise(*size, seed=9)).all()
    assert (block[2] == block[0]).all()
    if found[1]:
        return block[1]
    assert (block[1] == 7).all()
    return None


DATA = packed(noise())
PLAIN = {
    "PNG": encoded(noise()),
    "best": encoded(smooth(), compress_level=9),
    "stored": encoded(noise(), compress_level=0),
    "grey": encoded(GREY),
    "all filters": png((b"IDAT", DATA)),
    "parts": png((b"IDAT", DATA[:9]), (b"IDAT", b""), (b"IDAT", DATA[9:])),
    "small window": png((b"IDAT", packed(smooth(), 9))),
    "gamma": png((b"gAMA", struct.pack(">I", 220_000)), (b"IDAT", DATA)),
    "resolution": encoded(noise(), dpi=(72, 72)),
    "sRGB": png((b"sRGB", b"\0"), (b"cHRM", bytes(range(32))), (b"IDAT", DATA)),
    "JPEG": encoded(smooth(), "JPEG"),
    "4:4:4": encoded(noise(), "JPEG", subsampling=0, quality=97),
    "4:2:2": encoded(noise(), "JPEG", subsampling=1),
    "4:2:0": encoded(noise(), "JPEG", subsampling=2),
    "progressive": encoded(noise(), "JPEG", progressive=True),
    "restarts": encoded(noise(), "JPEG", restart_marker_blocks=1),
    "tables": encoded(noise(), "JPEG", optimize=True),
    "a comment": encoded(noise(), "JPEG", comment=b"taken in spring"),
    "grey JPEG": encoded(GREY, "JPEG"),
}


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("kind", PLAIN)
def test_plain_pictures_are_taken_with_the_same_pixels(kind: str) -> None:
    pixels = taken(PLAIN[kind])
    assert pixels is not None, "left to decode, where it is slower"
    assert (pixels == decode(PLAIN[kind])).all()


@pytest.mark.parametrize("size", [(4, 4), (5, 3000), (7, 9), (28, 28), (31, 33), (64, 48)])
def test_any_size(size: tuple[int, int]) -> None:
    for content in (encoded(noise(*size)), encoded(noise(*size, channels=1)), encoded(noise(*size), "JPEG")):
        pixels = taken(content, size)
        assert pixels is not None
        assert (pixels == decode(content)).all()


TURNED = Image.Exif()
TURNED[0x0112] = 6
PALETTE = Image.fromarray(noise()).quantize(16)
LEFT = {
    "RGBA": encoded(noise(channels=4)),
    "grey with alpha": encoded(Image.fromarray(noise(channels=4)).convert("LA")),
    "one clear colour": encoded(noise(), transparency=(1, 2, 3)),
    "one clear grey": encoded(GREY, transparency=20),
    "palette": encoded(PALETTE),
    "16 bit": encoded(noise(channels=1).astype(np.uint16) * 257),
    "1 bit": encoded(Image.fromarray(GREY).convert("1")),
    "interlaced": png((b"IDAT", DATA), interlaced=1),
    "a turned PNG": encoded(noise(), exif=TURNED),
    "a text that says what is clear": png((b"tEXt", b"transparency\x00x"), (b"IDAT", DATA)),
    "text after the pixels": png((b"IDAT", DATA), (b"tEXt", b"transparency\x00x")),
    "a profile": encoded(noise(), icc_profile=b"a profile"),
    "a turned JPEG": encoded(smooth(), "JPEG", exif=TURNED),
    "a JPEG with a profile": encoded(smooth(), "JPEG", icc_profile=b"a profile"),
    "CMYK": encoded(Image.fromarray(smooth()).convert("CMYK"), "JPEG"),
    "RGB in JPEG": encoded(Image.fromarray(smooth()), "JPEG", keep_rgb=True),
    "another size": encoded(noise(32, 24)),
    "another size in JPEG": encoded(noise(32, 24), "JPEG"),
    "WebP": encoded(smooth(), "WEBP"),
    "BMP": encoded(smooth(), "BMP"),
    "nothing": b"",
    "a page": b"<html></html>",
    "a line too few": png((b"IDAT", packed(noise(23)))),
    "a line too many": png((b"IDAT", packed(noise(25)))),
    "no such filter": png((b"IDAT", packed(noise(), filters=b"\0\5"))),
    "a window too large": png((b"IDAT", b"\x88\x1c" + DATA[2:])),
    "no end": encoded(noise())[:-12],
    "no pixels": png(),
    "half of them": png((b"IDAT", DATA[: len(DATA) // 2])),
    "a short chunk before them": png((b"gAMA", b"\0"), (b"IDAT", DATA)),
    "no end in JPEG": encoded(smooth(), "JPEG")[:-20],
    "two frames": encoded(smooth(), "JPEG").replace(
        b"\xff\xc0", b"\xff\xc0\0\x0b\x08\0\x18\0\x20\1\0\x11\0\xff\xc0"
    ),
    "tables of 16 bit": encoded(smooth(), "JPEG").replace(b"\xff\xdb\0\x43\0", b"\xff\xdb\0\x43\x10"),
}


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("kind", LEFT)
def test_whatever_is_not_plain_is_left_to_decode(kind: str) -> None:
    assert taken(LEFT[kind]) is None


def test_a_sheet_takes_many_of_both_modes_and_kinds() -> None:
    kinds = ("PNG", "grey", "JPEG", "palette", "grey JPEG", "all filters")
    contents = [{**PLAIN, **LEFT}[kinds[i % len(kinds)]] for i in range(50)]
    sheet, block = Sheet(SIZE), np.zeros((50, *SIZE, 3), np.uint8)
    for place, content in enumerate(contents):
        assert sheet.take(content, place) == (content != LEFT["palette"])
    sheet.copy_to(block)
    for pixels, content in zip(block, contents, strict=True):
        assert (pixels == (0 if content == LEFT["palette"] else decode(content))).all()


def changed(content: bytes, draws: random.Random) -> bytes:
    """A file that somebody cut, flipped, or put together again with other things in it."""
    damaged = bytearray(content)
    place = draws.randrange(len(content))
    how = draws.randrange(5)
    if how == 0:
        damaged[place] ^= 1 << draws.randrange(8)
    elif how == 1:
        del damaged[place:]
    elif how == 2:
        damaged[place:place] = draws.randbytes(draws.choice((1, 2, 40)))
    elif how == 3:
        del damaged[place : place + draws.choice((1, 2, 40))]
    elif content[:4] == b"\x89PNG":
        at = content.index(b"IDAT")
        length = int.from_bytes(content[at - 4 : at], "big")
        data = bytearray(content[at + 4 : at + 4 + length])
        data[draws.randrange(len(data))] ^= 1 << draws.randrange(8)
        other = chunk(draws.choice((b"tRNS", b"gAMA", b"eXIf", b"PLTE", b"acTL")), draws.randbytes(6))
        damaged[at - 4 : at + 8 + length] = draws.choice((b"", other)) + chunk(b"IDAT", bytes(data))
    else:
        damaged[2:2] = (
            b"\xff" + draws.choice(b"\xe0\xe1\xee\xdb\xc4\xc0\xd9").to_bytes() + b"\0\x08" + b"Adobe\0"
        )
    return bytes(damaged)


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("kind", PLAIN)
def test_a_damaged_file_is_taken_only_where_decode_reads_the_same(kind: str) -> None:
    draws = random.Random(kind)
    for _ in range(150):
        content = changed(PLAIN[kind], draws)
        pixels = taken(content)
        if pixels is None:
            continue
        try:
            assert (pixels == decode(content)).all()
        except PictureError as error:
            pytest.fail(f"taken, and decode refuses it: {error.reason}")


def test_pictures_that_gain_nothing_have_no_sheet() -> None:
    assert new_sheet((32, 32)) is not None
    assert new_sheet((3, 32)) is None, "decode refuses them"
    assert new_sheet((500, 375)) is None


def test_a_pillow_that_is_called_otherwise_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(*_: object) -> Image.Image:
        raise TypeError

    plain._works.cache_clear()
    monkeypatch.setattr(Image, "frombytes", other)
    assert new_sheet((32, 32)) is None
    monkeypatch.undo()
    plain._works.cache_clear()
    assert new_sheet((32, 32)) is not None


WITHOUT = """
import sys
sys.modules["isal"] = None
from lensmith.pictures import plain
import zlib
assert plain._inflate is zlib.decompress
assert plain.new_sheet((24, 32)).take(sys.stdin.buffer.read(), 0)
"""


def test_the_faster_library_may_be_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT], input=PLAIN["PNG"], capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
