"""8 bits: how many times as many pictures a second, and what is lost; as one JSON object.

    python bench/int8.py --pictures hymenoptera_data [--runs RUN RUN ...] > int8.json

A ResNet-18 of drawn weights at 224 px, fitted to the first pictures of a folder, says how fast; runs, whose training
pictures still lie where they lay, say what is lost, and how fast as well. Both engines in turn, five times; wall and
CPU seconds of each picture, medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.bundle.engines import Engine, onnx_engine
from lensmith.data.folders import looks_like_picture
from lensmith.exports.assembly import network_graph
from lensmith.exports.calibration import calibration_of_run
from lensmith.exports.int8 import _quantised, quantise
from lensmith.models.build import build
from lensmith.pictures.decode import Pixels, decode
from lensmith.pictures.preprocess import Preprocess

FITTED, TURNS, SECONDS = 64, 5, 1.5


def resnet18(pictures: list[Path]) -> tuple[Bundle, Pixels]:
    """A ResNet-18 with drawn weights, and pictures as it sees them."""
    torch.manual_seed(0)
    preprocess = Preprocess(224, resize=256, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    net = build("resnet18", 10, 224).eval()
    bundle = Bundle(net, preprocess=preprocess, classes=[f"class {n}" for n in range(10)], name="resnet18")
    return bundle, np.stack([preprocess(decode(file)) for file in pictures[:FITTED]])


def timed(engine: Engine, pixels: Pixels) -> tuple[float, float]:
    """Wall and CPU seconds of a picture, as many at once as the engine computes best."""
    part, count = next(engine.parts(pixels)), 0
    engine(part)
    wall, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < SECONDS:
        count += len(engine(part))
    return (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count


def beside(before: Engine, after: Engine, pixels: Pixels) -> dict[str, Any]:
    """Both in turn."""
    turns = [(timed(before, pixels), timed(after, pixels)) for _ in range(TURNS)]
    figures: dict[str, Any] = {}
    for at, kind in enumerate(("wall", "cpu")):
        ratios = [first[at] / second[at] for first, second in turns]
        figures[kind] = {
            "float32_ms": round(1000 * statistics.median(first[at] for first, _ in turns), 2),
            "int8_ms": round(1000 * statistics.median(second[at] for _, second in turns), 2),
            "times": round(statistics.median(ratios), 2),
            "range": [round(min(ratios), 2), round(max(ratios), 2)],
        }
    return figures


def of_run(run: str) -> dict[str, Any]:
    """What a run's network loses in 8 bits on training pictures that it was not fitted to, and how fast it is."""
    bundle = load_model(run)
    calibration = ended(calibration_of_run(bundle, run))
    small = quantise(bundle, calibration)
    after = onnx_engine(small.graph.SerializeToString())
    lost = {"points_lost": round(100 * small.loss, 3), "on": small.count}
    return lost | beside(bundle.engine, after, calibration.kept)


def ended(job: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, required=True, help="a folder of photos")
    parser.add_argument("--runs", nargs="*", default=[])
    words = parser.parse_args()
    warnings.simplefilter("ignore")
    files = [file for file in sorted(words.pictures.rglob("*")) if looks_like_picture(file)]
    bundle, pixels = resnet18([file for file in files if file.suffix == ".jpg"])
    small = onnx_engine(_quantised(network_graph(bundle), pixels).SerializeToString())
    figures = {"resnet18, drawn weights, 224 px": beside(bundle.engine, small, pixels)}
    for run in words.runs:
        print(run, file=sys.stderr, flush=True)
        figures[run] = of_run(run)
    print(json.dumps({"bar": "int8", "figures": figures}))


if __name__ == "__main__":
    main()
