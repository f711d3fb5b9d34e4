"""Plant faults among photos, and see whether `lensmith inspect` finds them and nothing else.

    python bench/planted.py PHOTOS --each 30   # a folder per class, of photos that are no copies
    python bench/planted.py PHOTOS --small     # the same with pictures of 32 x 32

Planted are, `--each` times: every alteration of tests/altered.py, leaks, conflicts, unreadable files, copies saved
without loss, blank, dark and blurred pictures. Among the photos lie as many pairs of one burst, 200 pictures of mugs
before a white wall, and 150 of one handwritten digit: none of them is a copy of another. Prints one JSON object,
which is also appended to bench/logs/planted.jsonl: of each fault what was planted, found, and found wrongly.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from altered import ALTERATIONS, LOSSLESS, burst, product, saved  # noqa: E402

Pair = frozenset[str]
_ENLARGED = "twice as large"


class Planting:
    """Files under `folder`, and what is wrong with them by name."""

    def __init__(self, folder: Path, photos: list[Image.Image], each: int, side: int | None) -> None:
        self.folder, self.photos, self.each, self.side = folder, photos, each, side
        self.draw = np.random.default_rng(6)
        self.truth: dict[str, set[Pair]] = {}
        self.enlarged: set[str] = set()
        """Files that are rightly told to be blurred or enlarged, though they are there for something else."""
        self._next = 0

    def photo(self) -> Image.Image:
        """The next one that nobody has had."""
        return self.sized(self.large_photo())

    def large_photo(self) -> Image.Image:
        self._next += 1
        return self.photos[self._next - 1]

    def sized(self, photo: Image.Image) -> Image.Image:
        return photo.resize((self.side, self.side), Image.Resampling.BOX) if self.side else photo

    def write(self, name: str, content: bytes, label: str = "a", split: str = "train") -> str:
        suffix = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"BM": ".bmp", b"RI": ".webp"}.get(
            content[:2], ".jpg"
        )
        file = self.folder / split / label / f"{name}{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return str(file)

    def note(self, fault: str, *files: str) -> None:
        self.truth.setdefault(fault, set()).add(frozenset(files))

    def all(self) -> None:
        for number in range(self.each):
            self.copies(number)
            self.spoiled(number)
            for moment, shot in enumerate(burst(self.large_photo(), self.draw)):
                self.write(f"burst-{number}-{moment}", saved(self.sized(shot)))

    def copies(self, number: int) -> None:
        for kind, alter in ALTERATIONS.items():
            photo, name = self.photo(), f"{kind} {number}".replace("%", "percent")
            one = self.write(f"{name} original", saved(photo))
            decoded = Image.open(one).convert("RGB")
            copy = self.write(f"{name} copy", alter(decoded, self.draw))
            self.note(kind, one, copy)
            if kind == _ENLARGED:
                self.enlarged.add(copy)
        for fault, places in {"leak": ("a", "val"), "conflict": ("b", "train")}.items():
            photo = self.photo()
            one = self.write(f"{fault} {number} original", saved(photo))
            kind, alter = list(ALTERATIONS.items())[number % len(ALTERATIONS)]
            content = alter(Image.open(one).convert("RGB"), self.draw)
            copy = self.write(f"{fault} {number} copy", content, *places)
            self.note(fault, one, copy)
            if kind == _ENLARGED:
                self.enlarged.add(copy)
        one = self.write(f"lossless {number} original", saved(self.photo()))
        save = list(LOSSLESS.values())[number % len(LOSSLESS)]
        self.note(
            "duplicate", one, self.write(f"lossless {number} copy", save(Image.open(one).convert("RGB")))
        )

    def spoiled(self, number: int) -> None:
        whole = saved(self.photo())
        broken = [whole[: len(whole) // 2], b"", b"<html></html>", saved(self.photo(), "PNG")[:-200]][
            number % 4
        ]
        self.note("unreadable", self.write(f"unreadable {number}", broken))
        photo = self.photo()
        noise = self.draw.integers(0, 3, (photo.height, photo.width, 3)) + self.draw.integers(0, 250)
        self.note("blank", self.write(f"blank {number}", saved(Image.fromarray(noise.astype(np.uint8)))))
        self.note(
            "dark", self.write(f"dark {number}", saved(ImageEnhance.Brightness(self.photo()).enhance(0.15)))
        )
        photo = self.photo()
        hazy = photo.filter(ImageFilter.GaussianBlur(max(2.0, min(photo.size) / 60)))
        self.note("blurred", self.write(f"blurred {number}", saved(hazy)))


def photos_in(folder: Path) -> list[Image.Image]:
    """Quarters of those photos, which have nothing in common, in an order that is fixed and mixes the classes."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    np.random.default_rng(1).shuffle(files)  # type: ignore[arg-type]
    quarters = []
    for file in files:
        picture = Image.open(file).convert("RGB")
        picture.thumbnail((800, 800))
        width, height = picture.width // 2, picture.height // 2
        for left, top in ((0, 0), (width, 0), (0, height), (width, height)):
            quarters.append(picture.crop((left, top, left + width, top + height)))
    return quarters


def digits(count: int) -> Iterator[Image.Image]:
    """Handwritten ones from the embedded set, enlarged."""
    with np.load(ROOT / "src/lensmith/data/digits.npz") as packed:
        named = {len(packed[name].shape): packed[name] for name in packed.files}
    chosen = named[3][named[1] == 1] if 3 in named else named[2][named[1] == 1].reshape(-1, 8, 8)
    for digit in chosen[:count]:
        levels = (255 - digit.astype(np.float64) * (255 / max(1, chosen.max()))).astype(np.uint8)
        yield Image.fromarray(levels).resize((64, 64), Image.Resampling.BICUBIC).convert("RGB")


def score(planting: Planting, facts: dict[str, Any]) -> dict[str, Any]:
    """Of each fault: planted, found, wrong."""
    found: dict[str, set[Pair]] = {}
    for issue in facts["issues"]:
        name = (
            "duplicate"
            if issue["name"] in ("leak", "conflict") and "equal" in issue["detail"]
            else issue["name"]
        )
        for files in issue["files"]:
            pairs = combinations(files, 2) if len(files) > 1 else [(files[0].rsplit(": ", 1)[0],)]
            found.setdefault(name, set()).update(frozenset(pair) for pair in pairs)
            if issue["name"] in ("unreadable",):
                found[name] = {frozenset({file.split(": ")[0]}) for (file,) in issue["files"]}
    near = set().union(
        *(found.get(name, set()) for name in ("near duplicate", "leak", "conflict", "duplicate"))
    )
    true = set().union(*(pairs for pairs in planting.truth.values()))
    table: dict[str, Any] = {}
    for fault, pairs in planting.truth.items():
        told = near if fault in ALTERATIONS else found.get(fault, set())
        missed = pairs - told
        table[fault] = {"planted": len(pairs), "found": len(pairs - missed)}
        if fault not in ALTERATIONS:
            table[fault]["wrong"] = sum(not planting.enlarged & pair for pair in told - pairs)
        if missed:
            table[fault]["missed"] = sorted(Path(sorted(pair)[0]).stem for pair in missed)[:5]
    wrong = near - true
    table["copies told"] = {"told": len(near), "wrong": len(wrong)}
    table["wrong ones"] = Counter(
        " and ".join(sorted(Path(file).stem.split("-")[0].split(" ")[0] for file in pair)) for pair in wrong
    )
    return table


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--each", type=int, default=30)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = arguments.keep or Path(place) / "planted"
        side = 32 if arguments.small else None
        planting = Planting(folder, photos_in(arguments.photos), arguments.each, side)
        planting.all()
        for number in range(200):
            planting.write(f"mug-{number}", saved(planting.sized(product(number))), "b")
        for number, digit in enumerate(digits(150)):
            small = saved(digit.resize((32, 32)) if arguments.small else digit, "PNG")
            planting.enlarged.add(planting.write(f"digit-{number}", small, "b"))  # of 8 x 8 pixels
        planting.write("whole", saved(planting.sized(planting.photos[-1])), "a", "val")
        began = time.time()
        words = [sys.executable, "-m", "lensmith", "inspect", str(folder), "--json"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise SystemExit(done.stderr)
        facts = json.loads(done.stdout)
        table = score(planting, facts)
        record = {
            "small": arguments.small,
            "each": arguments.each,
            "pictures": facts["count"],
            "seconds": round(time.time() - began, 1),
        }
        text = json.dumps({**record, "faults": table})
        print(text)
        with (ROOT / "bench/logs/planted.jsonl").open("a") as log:
            log.write(f"{text}\n")


if __name__ == "__main__":
    main()
