"""How well trained models tell pictures unlike their own, and what that costs; one JSON object a model.

    python bench/unlike.py --cifar cifar10 --photos hymenoptera_data [--budget 60s] > bench/logs/unlike.jsonl

Three models: a last layer on the packaged network (photos), our network from scratch (CIFAR-10), and the same without
one class, which it is shown afterwards. Beside the pictures held out each is shown the other set, digits, noise and
blank pictures. For each: the share that is marked, and the area under the ROC curve of the distance (how often a
foreign picture lies farther than a held-out one), beside that of 1 less the highest probability. Cost: CPU
seconds of a picture with the mark and without, in turn, medians; bytes of the bundle.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lensmith as lm
from lensmith.bundle.bundle import Bundle
from lensmith.evaluation.intervals import proportion
from lensmith.evaluation.ranking import rank, roc_auc
from lensmith.pictures.decode import Pixels

MOST, DRAWN, TURNS, SECONDS = 1000, 200, 7, 0.5
LEFT_OUT = ("cat", "ship")
"""One that resembles another class, and one that hardly does."""


def some(data: Any, bundle: Bundle) -> Pixels:
    """Up to a thousand pictures as the model sees them."""
    rows = np.random.default_rng(0).permutation(len(data))[:MOST].tolist()
    return np.stack([bundle.preprocess(data.pixels(row)) for row in rows])


def drawn(kind: str, bundle: Bundle) -> Pixels:
    """Noise, or pictures of one colour each."""
    draw = np.random.default_rng(1)
    shape = (DRAWN, *bundle.preprocess.size, 3) if kind == "noise" else (DRAWN, 1, 1, 3)
    pixels = draw.integers(0, 256, shape, np.uint8)
    return np.broadcast_to(pixels, (DRAWN, *bundle.preprocess.size, 3)).copy()


def seen(bundle: Bundle, pixels: Pixels) -> tuple[NDArray[Any], NDArray[Any]]:
    """Distances, and 1 less the highest probability, [N] each."""
    _, distances = bundle.look(pixels)
    assert distances is not None, "this model keeps no neighbours"
    return distances, 1 - bundle.scores(pixels).max(axis=1)


def area(own: NDArray[Any], other: NDArray[Any]) -> dict[str, Any]:
    found = roc_auc(
        rank(np.concatenate([own, other]).astype(float), np.repeat([False, True], [len(own), len(other)]))
    )
    assert found is not None
    return found.value.as_dict()


def figures(run: lm.Run, foreign: dict[str, Any]) -> dict[str, Any]:
    """What a run says of the pictures held out and of others."""
    bundle = run.bundle
    assert bundle.neighbours is not None
    held_out = some(run_pictures(run), bundle)
    own, doubt = seen(bundle, held_out)
    found: dict[str, Any] = {}
    for name, data in foreign.items():
        distances, other = seen(bundle, drawn(name, bundle) if data is None else some(data, bundle))
        marked = int(bundle.neighbours.are_unlike(distances).sum())
        found[name] = {
            "marked": proportion(marked, len(distances)).as_dict(),
            "area": area(own, distances),
            "area_of_probability": area(doubt, other),
        }
    return {
        "accuracy": run.report["accuracy"].as_dict(),
        "held_out": run.report.studies["unlike"],
        "foreign": found,
        "cost": cost(bundle, held_out),
    }


def cost(bundle: Bundle, pixels: Pixels) -> dict[str, Any]:
    """CPU seconds of a picture without the mark and with it; bytes of what is kept."""
    part = next(bundle.engine.parts(pixels))
    times: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(TURNS):
        for name, ask in (("without", bundle.logits), ("with", bundle.look)):
            start, count = time.process_time(), 0
            while time.process_time() - start < SECONDS:
                ask(part)
                count += len(part)
            times[name].append((time.process_time() - start) / count)
    shares = [after / before - 1 for before, after in zip(*times.values(), strict=True)]
    sizes = {name: len(content) for name, content in bundle.files.items()}
    return {
        **{f"cpu_seconds_{name}": statistics.median(taken) for name, taken in times.items()},
        "more": statistics.median(shares),
        "more_each": [round(share, 4) for share in shares],
        "bytes": sizes["neighbours.safetensors"],
        "bytes_of_all": sum(sizes.values()),
    }


def run_pictures(run: lm.Run) -> Any:
    """What it was measured on."""
    facts = run.directory.facts()["data"]
    data = lm.load_data(facts["source"])
    return data.split(run.report.split)


def without(pictures: Path, name: str, place: Path) -> Path:
    """The same folders but for one class."""
    for folder in sorted(pictures.glob("*/*")):
        if folder.name != name:
            (place / folder.parent.name).mkdir(parents=True, exist_ok=True)
            (place / folder.parent.name / folder.name).symlink_to(folder.resolve())
    return place


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cifar", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--budget", default="60s")
    words = parser.parse_args()
    cifar, photos = lm.load_data(words.cifar).split("test"), lm.load_data(words.photos)
    always: dict[str, Any] = {"digits": lm.load_data("digits"), "noise": None, "blank": None}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)

        def tell(name: str, foreign: dict[str, Any], *source: Any, **fields: Any) -> None:
            run = lm.train(*source, out=place / f"run-{name}", **fields)
            print(json.dumps({"model": name, **figures(run, foreign)}), flush=True)

        tell("photos", {"cifar": cifar, **always}, words.photos)
        tell("cifar", {"photos": photos, **always}, words.cifar, budget=words.budget)
        for name in LEFT_OUT:
            kind = cifar.classes.index(name)
            unknown = {name: cifar.part(lambda example, kind=kind: example.target == kind)}
            source = without(words.cifar, name, place / f"without {name}")
            tell(f"cifar without {name}", unknown, source, budget=words.budget)


if __name__ == "__main__":
    main()
