"""Does the learning curve keep its promise? As one JSON object.

    python bench/promise.py --photos hymenoptera_data --cifar cifar10 [--trained 2] > bench/logs/promise.json

The photos have train/CLASS and val/CLASS, CIFAR-10 has train/CLASS; of CIFAR-10 only training pictures are used: 700
of each class: 500 or 100 are drawn to learn from and others measure. Five draws of each: half of the pictures
make a promise for twice as many, a head learns from the half, one from all, both are measured on the same others.
Kept: the gain that is seen lies within the promised interval. `--trained N` does the same N times with a network that
is trained from scratch (CIFAR-10), beside the promise, which is that of a linear head in its place.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from few import drawn as first_of
from numpy.typing import NDArray

from lensmith.data.dataset import ImageDataset
from lensmith.data.sources import load_data
from lensmith.data.stratified import stratified_rows
from lensmith.data.target_array import target_array
from lensmith.evaluation.learning_curve import LearningCurve, curve_of
from lensmith.features.backbone import look
from lensmith.features.embed import Features
from lensmith.features.linear import fit_linear

DRAWS, POOL = 5, 700
EACH = (100, 500)
Rows = NDArray[np.int64]


def ended(job: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


def looked_at(data: ImageDataset) -> tuple[ImageDataset, Features]:
    seen = ended(look(data))
    return data.with_examples([data.examples[row] for row in seen.rows.tolist()]), seen.features


def part(data: ImageDataset, rows: Rows) -> ImageDataset:
    return data.with_examples([data.examples[row] for row in rows.tolist()])


def drawn(data: ImageDataset, rows: Rows, count: int, seed: int) -> Rows:
    """Some of the rows, each class in its share."""
    return rows[stratified_rows([data.targets[row] for row in rows.tolist()], count, seed)]


def wrong(data: ImageDataset, features: Features, learned: Rows, asked: Rows) -> NDArray[np.bool_]:
    """Of each picture asked about, whether a head is wrong that learned from others."""
    targets = target_array(data)
    head = fit_linear(
        features[learned], targets[learned], len(data.classes), "classification", np.arange(len(learned))
    )
    said = (features[asked] @ head.weight.numpy().T + head.bias.numpy()).argmax(axis=1)
    return said != targets[asked]


def promise(data: ImageDataset, features: Features, half: Rows, seen_on: int) -> tuple[LearningCurve, float]:
    """The curve that half of the pictures promise, and seconds."""
    began = time.perf_counter()
    curve = ended(curve_of(part(data, half), features[half], count=len(half), seen_on=seen_on, seconds=600))
    return curve, time.perf_counter() - began


def one_draw(data: ImageDataset, features: Features, learned: Rows, asked: Rows, seed: int) -> dict[str, Any]:
    """Promise from half, then learn from all."""
    half = drawn(data, learned, len(learned) // 2, seed)
    curve, seconds = promise(data, features, half, len(asked))
    before, after = (float(wrong(data, features, rows, asked).mean()) for rows in (half, learned))
    return told(curve, before, after) | {
        "pictures": len(half),
        "asked": len(asked),
        "seconds": round(seconds, 1),
    }


def told(curve: LearningCurve, before: float, after: float) -> dict[str, Any]:
    gain, low, high = before - after, curve.gain.low or 0.0, curve.gain.high or 0.0
    figures = {
        "before": before,
        "after": after,
        "seen": gain,
        "promised": curve.gain.value,
        "low": low,
        "high": high,
    }
    figures |= {"mean_low": curve.mean_gain.low, "mean_high": curve.mean_gain.high}
    return {name: round(100 * (value or 0.0), 2) for name, value in figures.items()} | {
        "kept": low <= gain <= high,
        "neediest": curve.classes[0].name,
    }


def summed(draws: list[dict[str, Any]]) -> dict[str, Any]:
    """In points."""
    off = [abs(one["seen"] - one["promised"]) for one in draws]
    return {
        "kept": sum(one["kept"] for one in draws),
        "of": len(draws),
        "mean_absolute_error": round(float(np.mean(off)), 2),
        "mean_seen": round(float(np.mean([one["seen"] for one in draws])), 2),
        "mean_promised": round(float(np.mean([one["promised"] for one in draws])), 2),
        "draws": draws,
    }


def of_photos(folder: Path) -> dict[str, Any]:
    """Both halves are drawn from the training split, and val measures."""
    data, features = looked_at(load_data(folder))
    splits = np.array([example.split for example in data.examples])
    learned, asked = np.flatnonzero(splits == "train"), np.flatnonzero(splits == "val")
    return summed([one_draw(data, features, learned, asked, seed) for seed in range(DRAWS)])


def pool_of(cifar: Path) -> tuple[ImageDataset, Features]:
    """The pictures of each class that `bench/few.py` takes first."""
    data = load_data(cifar / "train")
    folders = sorted(place for place in (cifar / "train").iterdir() if place.is_dir())
    wanted = {file for folder in folders for file in first_of(sorted(folder.iterdir()), POOL)}
    return looked_at(data.part(lambda example: example.source in wanted))


def of_cifar(data: ImageDataset, features: Features, each: int) -> dict[str, Any]:
    draws = []
    for seed in range(DRAWS):
        learned = drawn(data, np.arange(len(data)), each * len(data.classes), 100 + seed)
        asked = drawn(data, np.setdiff1d(np.arange(len(data)), learned), 200 * len(data.classes), 200 + seed)
        draws.append(one_draw(data, features, learned, asked, seed))
        print(each, draws[-1], file=sys.stderr, flush=True)
    return summed(draws)


def of_trained(data: ImageDataset, features: Features, each: int, times: int) -> dict[str, Any]:
    """The promise of a head beside what a network gains that is trained from scratch."""
    draws = []
    for seed in range(times):
        learned = drawn(data, np.arange(len(data)), each * len(data.classes), 100 + seed)
        asked = drawn(data, np.setdiff1d(np.arange(len(data)), learned), 200 * len(data.classes), 200 + seed)
        half = drawn(data, learned, len(learned) // 2, seed)
        curve, _ = promise(data, features, half, len(asked))
        before, after = (trained(data, rows, asked) for rows in (half, learned))
        draws.append(told(curve, before, after))
        print("trained", each, draws[-1], file=sys.stderr, flush=True)
    return summed(draws)


def trained(data: ImageDataset, learned: Rows, asked: Rows) -> float:
    """The share of pictures that a network is wrong about, trained from scratch for 2,000 steps or so."""
    from lensmith import train

    examples = [dataclasses.replace(data.examples[row], split="train") for row in learned.tolist()]
    examples += [dataclasses.replace(data.examples[row], split="val") for row in asked.tolist()]
    with tempfile.TemporaryDirectory() as folder:
        run = train(
            data.with_examples(examples), model="convnet", epochs=16, out=Path(folder, "run"), quiet=True
        )
        return 1 - run.report["accuracy"].value


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--cifar", type=Path, required=True)
    parser.add_argument("--trained", type=int, default=0)
    words = parser.parse_args()
    figures: dict[str, Any] = {"photos": of_photos(words.photos)}
    data, features = pool_of(words.cifar)
    for each in EACH:
        figures[f"cifar10, {each} a class"] = of_cifar(data, features, each)
    if words.trained:
        for each in EACH:
            figures[f"cifar10, {each} a class, trained from scratch"] = of_trained(
                data, features, each, words.trained
            )
    print(json.dumps({"bar": "promise", "figures": figures}))


if __name__ == "__main__":
    main()
