"""Few training pictures a class, the held-out pictures all there: a folder of links, the same ones each time.

    python bench/few.py CIFAR10 500 FOLDER     # CIFAR10: a folder with train/CLASS/*.png and test/CLASS/*.png

The training pictures of a class are those whose `CLASS/FILE` has the lowest sha256, so that fewer of them are a
part of more, and no list has to be kept.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import tempfile
from pathlib import Path


def few(source: Path, count: int, folder: Path) -> Path:
    """Make `folder` with `count` training pictures of each class, and all of `test`; returns it."""
    for name in sorted(place.name for place in (source / "train").iterdir() if place.is_dir()):
        files = drawn(sorted((source / "train" / name).iterdir()), count)
        if len(files) < count:
            raise SystemExit(f"{source}/train/{name} has {len(files)} pictures, and {count} are wanted")
        _link(files, folder / "train" / name)
        _link(sorted((source / "test" / name).iterdir()), folder / "test" / name)
    return folder


def few_of_each(source: Path, count: int) -> Path:
    """The folder of `few` among the temporary files; it is made where it is not there yet."""
    folder = Path(tempfile.gettempdir()) / f"lensmith-bench-few-{count}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        few(source, count, part).rename(folder)
    return folder


def drawn(files: list[Path], count: int) -> list[Path]:
    """The `count` files with the lowest sha256 of `CLASS/FILE`."""
    return sorted(files, key=lambda file: _digest(f"{file.parent.name}/{file.name}"))[:count]


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _link(files: list[Path], folder: Path) -> None:
    """Hard links, or copies where the other disk is another."""
    folder.mkdir(parents=True)
    for file in files:
        try:
            os.link(file, folder / file.name)
        except OSError:
            shutil.copyfile(file, folder / file.name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("count", type=int, help="training pictures of each class")
    parser.add_argument("folder", type=Path, help="where to; it must not be there yet")
    words = parser.parse_args()
    print(few(words.cifar10, words.count, words.folder))
