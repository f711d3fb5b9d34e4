"""Pass through a folder of pictures twice, in batches of 64 uint8 tensors.

    python bench/store.py imagefolder FOLDER SIZE --workers 2     # torchvision, Pillow, DataLoader
    python bench/store.py lensmith FOLDER SIZE
    python bench/store.py check FOLDER SIZE                       # do both give the same pixels?

Pictures of another size are brought to SIZE x SIZE by Resize(SIZE * 8 / 7) and CenterCrop(SIZE). Prints one JSON
object. `decoded` and `first pass` count from the start of the process, imports included: until every picture was
decoded, which lensmith does without torch, and until every batch of tensors was there. `later pass` is one more pass
through what is open. `opened anew` is what a second process would wait: the folder listed again, every file asked
whether it has changed, the store opened.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BEGAN = float(os.environ.get("LENSMITH_BENCH_BEGAN", time.time()))
BATCH = 64
COUNTS: list[int] = []
"""Pictures in each pass."""


def parts_of(folder: Path) -> list[Path]:
    """The folders with a folder per class: train and test, or the one that was given."""
    return [folder / name for name in ("train", "test") if (folder / name).is_dir()] or [folder]


def image_folders(folder: Path, size: int) -> list[Any]:
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    steps = [] if size == 32 else [transforms.Resize(size * 8 // 7), transforms.CenterCrop(size)]
    transform = transforms.Compose([*steps, transforms.PILToTensor()])
    return [ImageFolder(str(part), transform) for part in parts_of(folder)]


def time_imagefolder(folder: Path, size: int, workers: int) -> dict[str, float]:
    from torch.utils.data import ConcatDataset, DataLoader

    data = ConcatDataset(image_folders(folder, size))
    imported = time.time()
    loader = DataLoader(data, batch_size=BATCH, num_workers=workers, persistent_workers=workers > 0)
    count((images for images, _ in loader))
    first = time.time()
    count((images for images, _ in loader))
    return {"import": imported - BEGAN, "decode": first - imported, "later": time.time() - first}


def column(folder: Path, size: int) -> tuple[Any, Any]:
    """The pixels that lensmith measures on, and the files that they are of."""
    from lensmith.data.sources import load_data
    from lensmith.pictures.preprocess import Preprocess
    from lensmith.store.store import open_column

    data = load_data(folder)
    opening = open_column(data, Preprocess(size, resize=None if size == 32 else size * 8 // 7))
    while True:
        try:
            next(opening)
        except StopIteration as end:
            return end.value.pixels, [Path(e.source) for e in end.value.matching(data).examples]


def time_lensmith(folder: Path, size: int) -> dict[str, float]:
    import lensmith.data.sources
    import lensmith.store.store  # noqa: F401

    ready = time.time()
    pixels, _ = column(folder, size)
    decoded = time.time()
    import torch
    import torchvision  # noqa: F401  what reads the batches has it at hand

    imported = time.time()

    def batches(pixels: Any) -> Iterator[Any]:
        for start in range(0, len(pixels), BATCH):
            yield torch.from_numpy(pixels[start : start + BATCH]).permute(0, 3, 1, 2).clone()

    count(batches(pixels))
    first = time.time()
    count(batches(pixels))
    later = time.time()
    column(folder, size)
    return {
        "start": ready - BEGAN,
        "decode": decoded - ready,
        "import torch": imported - decoded,
        "batches": first - imported,
        "later": later - first,
        "opened anew": time.time() - later,
    }


def count(batches: Iterator[Any]) -> None:
    """Go through all batches."""
    COUNTS.append(sum(len(batch) for batch in batches))


def check(folder: Path, size: int) -> None:
    """Compare every tenth picture, pixel by pixel."""
    pixels, files = column(folder, size)
    row = {str(file.resolve()): at for at, file in enumerate(files)}
    compared = 0
    for part in image_folders(folder, size):
        for number in range(0, len(part), 10):
            name = str(Path(part.samples[number][0]).resolve())
            if (part[number][0].permute(1, 2, 0).numpy() != pixels[row[name]]).any():
                raise SystemExit(f"{name}: other pixels")
            compared += 1
    print(json.dumps({"figures": {"equal": compared}, "words": f"{compared} pictures compared, all equal"}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=("imagefolder", "lensmith", "check"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("size", type=int)
    parser.add_argument("--workers", type=int, default=0)
    arguments = parser.parse_args()
    folder, size = arguments.folder, arguments.size
    if arguments.side == "check":
        check(folder, size)
        return
    ours = arguments.side == "lensmith"
    parts = time_lensmith(folder, size) if ours else time_imagefolder(folder, size, arguments.workers)
    held = sum(1 for part in parts_of(folder) for _ in part.glob("*/*.*"))
    if [held, held] != COUNTS:
        raise SystemExit(f"{COUNTS} pictures in the passes, and {folder} holds {held}")
    first = sum(seconds for name, seconds in parts.items() if name not in ("later", "opened anew"))
    decoded = parts["start"] + parts["decode"] if ours else first
    figures = {"decoded": decoded, "first pass": first, "later pass": parts["later"]}
    if ours:
        figures["opened anew"] = parts["opened anew"]
    print(json.dumps({"figures": figures, "seconds": parts}))


if __name__ == "__main__":
    main()
