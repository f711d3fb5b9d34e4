"""Small pictures that lie in the page itself, so that it shows them anywhere and requests nothing."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

from lensmith.errors import PictureError
from lensmith.pictures.decode import Pixels, decode, read_picture
from lensmith.report.markup import Html, join, tag

SIDE = 160
"""Pixels of the longer side, at most: some 5 kB each."""
_QUALITY = 80
_TINY = 64
"""Pictures up to this side are shown enlarged, pixel by pixel."""


def thumbnail(
    file: str, sha256: str = "", words: str = "", change: Callable[[Pixels], Pixels] = lambda pixels: pixels
) -> Html:
    """A picture by its file, or in its place the file's name and why it cannot be shown.

    sha256: of the file when it was measured; another one that lies there now is not shown for it. words: said to who
    cannot see it, instead of the file's name. change: what is done to the picture, uint8 [H, W, 3], before.
    """
    try:
        return thumbnail_of(change(picture_of(Path(file), sha256)), words or Path(file).name)
    except PictureError as error:
        gone = (tag("span", Path(file).name), tag("small", error.reason))
        return tag("div", *gone, class_="gone", role="img", aria_label=words or Path(file).name)


def thumbnail_of(pixels: Pixels, words: str) -> Html:
    """A picture, uint8 [H, W, 3], of any size."""
    image = Image.fromarray(pixels)
    tiny = max(image.size) <= _TINY
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3)
    width, height = image.size
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95 if tiny else _QUALITY, optimize=True)
    source = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
    return tag("img", src=source, alt=words, width=width, height=height, class_="tiny" if tiny else None)


def shots(pictures: Iterable[tuple[Html, Html]]) -> Html:
    """Thumbnails side by side, each with its caption below."""
    figures = [tag("figure", shown, tag("figcaption", words)) for shown, words in pictures]
    return tag("div", *figures, class_="shots") if figures else join()


def picture_of(path: Path, sha256: str) -> Pixels:
    """What lies there now. Raises `PictureError`, also where it is another file than was measured."""
    # Asked first, since a pipe or a device, which a stranger's run may name, would never end.
    try:
        is_there = path.is_file()
    except OSError as error:
        raise PictureError(str(path), f"cannot be opened ({error.strerror})") from error
    if not is_there:
        raise PictureError(str(path), "no longer there")
    content = read_picture(path)
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        raise PictureError(str(path), "changed since it was measured")
    return decode(content, first_frame=True, name=str(path))
