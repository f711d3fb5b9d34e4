"""How long `lensmith inspect` takes, and how much memory all its processes have together.

    python bench/inspected.py FOLDER                          # any labelled pictures
    python bench/inspected.py FOLDER --vary 20000 --into DIR  # makes that many photos of those in FOLDER first

Prints one JSON object, which is also appended to bench/logs/inspected.jsonl. Memory is sampled; of what several
processes have in common, each counts its share.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from running import Side, run_side


def vary(photos: Path, count: int, into: Path) -> None:
    """Windows of half the photos' size and more, mirrored and of other light: each unlike the others."""
    files = sorted(file for file in photos.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    draw = np.random.default_rng(0)
    for number in range(count):
        picture = Image.open(files[number % len(files)]).convert("RGB")
        picture.thumbnail((500, 500))
        side = draw.uniform(0.5, 1, 2)
        left, top = draw.uniform(0, 1 - side) * picture.size
        box = (left, top, left + side[0] * picture.width, top + side[1] * picture.height)
        picture = picture.resize((500, 375), Image.Resampling.BILINEAR, box=box)
        levels = np.asarray(picture) * draw.uniform(0.7, 1.2) + draw.normal(0, 4, (375, 500, 1))
        file = into / files[number % len(files)].parent.name / f"{number:06}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(file, quality=85)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vary", type=int, default=0)
    parser.add_argument("--into", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder
    if arguments.vary:
        vary(folder, arguments.vary, arguments.into)
        folder = arguments.into
    words = [
        sys.executable,
        "-m",
        "lensmith",
        "inspect",
        str(folder.resolve()),
        "--json",
        "--fail-on",
        "unused",
    ]
    run = run_side(Side(words))
    kept = ("ended", "wall", "cpu", "peak_mb", "own_mb", "load", "words", "at")
    pictures = sum(1 for _ in folder.rglob("*.*"))
    text = json.dumps(
        {"folder": folder.name, "files": pictures, **{key: run[key] for key in kept if key in run}}
    )
    print(text)
    with (Path(__file__).parent / "logs/inspected.jsonl").open("a") as log:
        log.write(f"{text}\n")


if __name__ == "__main__":
    main()
