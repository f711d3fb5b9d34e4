"""Many photos made of few: each a piece of one of them, 500 x 375, about 110 KB of JPEG, the same every time.

    LENSMITH_PHOTOS=hymenoptera_data python bench/photos.py 4000

They are kept in the folder for temporary files. Beyond 4,000 the same files come again under other names.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_DIFFERENT = 4000
_QUALITY = 98


def photos(count: int) -> Path:
    """A folder with that many photos, in a folder per class; made if it is not there."""
    folder = Path(tempfile.gettempdir()) / f"lensmith-bench-photos-{count}"
    done = folder.with_suffix(".done")
    if done.exists():
        return folder
    print(f"making {count:,} photos in {folder}", file=sys.stderr, flush=True)
    if count > _DIFFERENT:
        originals = sorted(photos(_DIFFERENT).glob("*/*.jpg"))
        _all(lambda number: _linked(number, originals[number % _DIFFERENT], folder), count)
    else:
        sources = sorted(Path(os.environ["LENSMITH_PHOTOS"]).rglob("*.jpg"))
        random.Random(0).shuffle(sources)
        _all(lambda number: _made(number, sources[number % len(sources)], folder), count)
    done.touch()
    return folder


def _all(make: Callable[[int], None], count: int) -> None:
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(make, range(count)):
            pass


def _linked(number: int, original: Path, folder: Path) -> None:
    file = folder / original.parent.name / f"{number:05d}.jpg"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.hardlink_to(original)


def _made(number: int, source: Path, folder: Path) -> None:
    from PIL import Image

    file = folder / source.parent.name / f"{number:05d}.jpg"
    file.parent.mkdir(parents=True, exist_ok=True)
    draw = random.Random(number)
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    largest = min(picture.width, picture.height * 4 / 3)
    width = largest * draw.uniform(0.7, 1.0)
    left, top = draw.uniform(0, picture.width - width), draw.uniform(0, picture.height - width * 3 / 4)
    box = (left, top, left + width, top + width * 3 / 4)
    picture.resize((500, 375), Image.Resampling.BICUBIC, box=box).save(file, "JPEG", quality=_QUALITY)


if __name__ == "__main__":
    print(photos(int(sys.argv[1])))
