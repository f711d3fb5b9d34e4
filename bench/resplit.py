"""Five stratified re-splits of a folder of pictures with train/CLASS/* and val/CLASS/* (ants/bees: 397 photos).

    python bench/resplit.py hymenoptera_data FOLDER

makes FOLDER/0 to FOLDER/4, each with as many training and held-out pictures as DATA has, of every class its share
(ants/bees: 244 and 153), as hard links, or symbolic links where FOLDER is on another disk. Pictures that do not
decode are left out and named, and so are GIFs (ants/bees has one, which says "image not found"). The same names of
files give the same splits everywhere.
"""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


def sound_pictures(folder: Path) -> list[Path]:
    sound = []
    for path in sorted(path for path in folder.glob("*/*") if path.is_file()):
        try:
            if path.suffix.lower() not in SUFFIXES:
                raise ValueError(f"{path.suffix} is not among {', '.join(sorted(SUFFIXES))}")
            with Image.open(path) as picture:
                picture.load()
            sound.append(path)
        except (OSError, ValueError) as error:
            print(f"left out: {path}: {error}", file=sys.stderr)
    return sound


def split(pictures: list[Path], train_count: int, seed: int) -> dict[str, list[Path]]:
    """`train_count` for training, the rest held out, each class in proportion (largest remainders)."""
    by_class: dict[str, list[Path]] = {}
    for path in sorted(pictures, key=lambda path: (path.parent.name, path.name)):
        by_class.setdefault(path.parent.name, []).append(path)
    shares = {name: len(paths) * train_count / len(pictures) for name, paths in by_class.items()}
    counts = {name: int(share) for name, share in shares.items()}
    remainders = sorted(shares, key=lambda name: counts[name] - shares[name])
    for name in remainders[: train_count - sum(counts.values())]:
        counts[name] += 1
    parts: dict[str, list[Path]] = {"train": [], "val": []}
    for name, paths in by_class.items():
        shuffled = random.Random(f"{seed} {name}").sample(paths, len(paths))
        parts["train"] += shuffled[: counts[name]]
        parts["val"] += shuffled[counts[name] :]
    return parts


def link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        target.symlink_to(source.resolve())


def resplits(splits: int = 5) -> Path:
    """The folder of the re-splits of LENSMITH_PHOTOS; they are made where they are not there yet."""
    folder = Path(tempfile.gettempdir()) / "lensmith-bench-resplits"
    if not folder.exists():
        make(Path(os.environ["LENSMITH_PHOTOS"]), folder, splits)
    return folder


def make(data: Path, folder: Path, splits: int) -> None:
    train, val = (sound_pictures(data / part) for part in ("train", "val"))
    names = [(path.parent.name, path.name) for path in train + val]
    if len(names) > len(set(names)):
        sys.exit("two pictures of a class have the same name in train and val")
    for seed in range(splits):
        place = folder / str(seed)
        if place.exists():
            sys.exit(f"{place} is there already: remove it, or name another folder")
        for part, paths in split(train + val, len(train), seed).items():
            for path in paths:
                link(path, place / part / path.parent.name / path.name)
        print(f"{place}: {len(train)} train, {len(val)} val")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("folder")
    parser.add_argument("--splits", type=int, default=5)
    arguments = parser.parse_args()
    make(Path(arguments.data), Path(arguments.folder), arguments.splits)
