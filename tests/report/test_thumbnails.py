"""Pictures in the page: small, upright, and named where they are gone."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn import encoded, smooth
from PIL import Image

from lensmith.report.markup import Html
from lensmith.report.thumbnails import shots, thumbnail, thumbnail_of


def shown(html: str) -> Image.Image:
    """The picture as a browser gets it."""
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', html)
    return Image.open(io.BytesIO(base64.b64decode(data)))


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def test_a_large_picture_comes_out_small(tmp_path: Path) -> None:
    html = thumbnail(write(tmp_path / "a.png", encoded(smooth(400, 800))))
    assert shown(html).size == (160, 80)
    assert 'width="160" height="80"' in html and "tiny" not in html
    assert len(html) < 15_000


def test_a_small_one_keeps_its_pixels() -> None:
    pixels = smooth(32, 32)
    html = thumbnail_of(pixels, "a ramp")
    assert 'class="tiny"' in html and 'alt="a ramp"' in html
    assert np.abs(np.asarray(shown(html), int) - pixels).mean() < 3


def test_it_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # held turned to the left
    file = write(tmp_path / "a.jpg", encoded(smooth(100, 200), "JPEG", exif=exif))
    assert shown(thumbnail(file)).size == (80, 160)


def test_what_is_gone_changed_or_damaged_is_named(tmp_path: Path) -> None:
    content = encoded(smooth())
    file = write(tmp_path / "<b>.png", content)
    same, other = hashlib.sha256(content).hexdigest(), "0" * 64
    assert "<img" in thumbnail(file, same)
    for html, reason in (
        (thumbnail(file, other), "changed since it was measured"),
        (thumbnail(str(tmp_path / "<b>.jpg"), same), "no longer there"),
        (thumbnail("Photos[3]", other), "no longer there"),
        (thumbnail("a\0b"), "no longer there"),
        (thumbnail(str(tmp_path)), "no longer there"),
        (thumbnail("a" * 5000), "cannot be opened" if sys.platform != "win32" else "no longer there"),
        (thumbnail(write(tmp_path / "c.png", content[:60])), "damaged"),
    ):
        assert "<img" not in html and 'role="img"' in html and reason in html
    assert "&lt;b&gt;.jpg" in thumbnail(str(tmp_path / "<b>.jpg"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "no longer there" in thumbnail(str(tmp_path / "pipe"))


def test_none_make_nothing() -> None:
    assert shots([]) == ""
    assert shots([(Html("<img>"), Html("a"))]) == (
        '<div class="shots"><figure><img><figcaption>a</figcaption></figure></div>'
    )
