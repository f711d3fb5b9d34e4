"""Flipped labels: how many of them the suspects' ranking finds, and how deep one has to look; as one JSON object.

    python bench/flipped.py --photos hymenoptera_data --cifar10 CIFAR10 > bench/logs/flipped.json

In each draw 5 % of the labels are changed to another class, any of them with the same chance. Photos: all of
the folder, 20 draws. CIFAR-10: 500 training pictures of each class (see `few.py`), 5 draws. `precision`:
where the ranking has found nine tenths of the flipped labels, the share of flipped ones so far; the bar is
0.5. `recall`: what it has found where half of what one looks at is flipped, at the deepest; the bar is 0.9.
`listed`: what the tool itself says is worth a look. `wrong`: its estimate of how many labels are wrong, and
in what share of the draws its interval held. What is not flipped counts as right, which it is not always:
photos called ants show a wasp.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from few import few_of_each
from numpy.typing import NDArray

from lensmith.audit.doubts import doubt_labels, how_many, worth_a_look
from lensmith.data.sources import load_data
from lensmith.features.backbone import Looked, look

RATES = (0.05, 0.0, 0.02, 0.1)


def looked_at(folder: Path, split: str) -> tuple[Looked, NDArray[np.int64], int]:
    """What is seen in the pictures, their labels, and how many classes there are."""
    data = load_data(folder)
    data = data.split(split) if split else data
    going = look(data)
    while True:
        try:
            next(going)
        except StopIteration as end:
            seen: Looked = end.value
            return seen, np.array(data.targets, np.int64)[seen.rows], len(data.classes)


def flipped(
    labels: NDArray[np.int64], classes: int, rate: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Labels of which a share is changed, and which."""
    draw = np.random.default_rng(seed)
    rows = draw.choice(len(labels), round(rate * len(labels)), replace=False)
    changed = labels.copy()
    changed[rows] = (changed[rows] + draw.integers(1, classes, len(rows))) % classes
    return changed, changed != labels


def drawn(seen: Looked, labels: NDArray[np.int64], classes: int, rate: float, seed: int) -> dict[str, Any]:
    """One draw of flips, ranked."""
    changed, bad = flipped(labels, classes, rate, seed)
    began = time.perf_counter()
    doubts = doubt_labels(seen.features, changed, classes, np.arange(len(labels)), seed)
    wrong = how_many(doubts, changed)
    seconds = time.perf_counter() - began
    listed = worth_a_look(doubts, wrong)
    order = np.argsort(-doubts.doubt, kind="stable")
    found = bad[order].cumsum()
    assert wrong.low is not None and wrong.high is not None
    figures: dict[str, Any] = {
        "flipped": int(bad.sum()),
        "listed": len(listed),
        "listed_flipped": int(bad[listed].sum()),
        "wrong": wrong.value,
        "held": wrong.low <= bad.sum() <= wrong.high,
        "penalty": doubts.strength,
        "agreement": float((~doubts.denied).mean()),
        "seconds": round(seconds, 2),
    }
    if rate:
        precision, recall = found / np.arange(1, len(found) + 1), found / bad.sum()
        half = np.flatnonzero(precision >= 0.5)
        figures["precision"] = float(precision[np.argmax(recall >= 0.9)])
        figures["recall"] = float(recall[half[-1]]) if len(half) else 0.0
    return figures


def summed(draws: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the draws, and the standard deviation of the two that have a bar."""
    means = {name: round(float(np.mean([draw[name] for draw in draws])), 4) for name in draws[0]}
    spread = {
        f"{name}_sd": round(float(np.std([draw[name] for draw in draws], ddof=1)), 4)
        for name in ("precision", "recall")
        if name in draws[0] and len(draws) > 1
    }
    return {"draws": len(draws)} | means | spread


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, help="a folder of photos, a folder per class")
    parser.add_argument("--cifar10", type=Path, help="a folder with train/CLASS/*.png")
    parser.add_argument("--draws", type=int, default=20, help="of the photos [20]")
    parser.add_argument("--cifar10-draws", type=int, default=5, help="of CIFAR-10 [5]")
    parser.add_argument(
        "--rates", type=float, nargs="*", default=RATES, help="shares of labels that are flipped"
    )
    words = parser.parse_args()
    sides: dict[str, tuple[Path, str, int]] = {}
    if words.photos:
        sides[words.photos.name] = (words.photos, "", words.draws)
    if words.cifar10:
        sides["cifar10, 500 a class"] = (few_of_each(words.cifar10, 500), "train", words.cifar10_draws)
    figures: dict[str, Any] = {}
    for name, (folder, split, count) in sides.items():
        seen, labels, classes = looked_at(folder, split)
        for rate in words.rates:
            draws = [drawn(seen, labels, classes, rate, seed) for seed in range(count)]
            figures.setdefault(name, {"pictures": len(labels)})[f"{rate:g}"] = summed(draws)
            print(name, rate, json.dumps(summed(draws)), file=sys.stderr, flush=True)
    print(json.dumps({"bar": "flipped", "figures": figures}, indent=2))


if __name__ == "__main__":
    main()
