"""Whether exported files answer as `predict` does, on real pictures: the bar, as one JSON object.

    python bench/parity.py --ants RUN --cifar RUN --cifar-photos RUN [--kinds onnx,pt2,http] > parity.json

onnx and pt2: the exported file, in a process of its own, on the same decoded pictures. http: `lensmith serve` on
the bundle, which is sent the files as they are, several at once.

Each side is a bundle and held-out pictures: all that the run on ants and bees held out; 2,000 of CIFAR-10 for the
fast convnet and for EfficientNet-Lite0 (runs on CIFAR-10); 300 for timm's vit_tiny and torchvision's vgg16,
whose weights are drawn and spread so that they tell pictures apart. A run that is not named is left out.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.data.folders import looks_like_picture
from lensmith.exports.export import KINDS, _filler
from lensmith.exports.parity import CLOSE, PROBABILITY, SOME, compare
from lensmith.models.build import build
from lensmith.pictures.decode import decode
from lensmith.pictures.preprocess import Preprocess
from lensmith.runs.directory import find_run
from lensmith.runs.predictions import read_predictions

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CLASSES = [f"class {number}" for number in range(10)]


def held_out(run: str, most: int) -> list[Path]:
    """Pictures that a run was measured on, as many of each part of the list."""
    files = [Path(file) for file in read_predictions(find_run(run).predictions_file).files.tolist()]
    rows = np.linspace(0, len(files) - 1, min(most, len(files))).round().astype(int)
    return [files[row] for row in rows]


def drawn(name: str, pictures: list[Path]) -> Bundle:
    """A network with drawn weights; its last layer is stretched until answers differ from picture to picture."""
    torch.manual_seed(0)
    preprocess = Preprocess(
        224, resize=256, interpolation="bicubic" if "vit" in name else "bilinear", **IMAGENET
    )
    net = build(name, len(CLASSES), 224).eval()
    seen = torch.from_numpy(np.stack([preprocess(decode(file)) for file in pictures[:16]]))
    scale, offset = (torch.from_numpy(part).view(1, 3, 1, 1) for part in preprocess.affine())
    with torch.no_grad():
        outputs = net(seen.permute(0, 3, 1, 2).float() * scale + offset)
        last = [module for module in net.modules() if isinstance(module, torch.nn.Linear)][-1]
        stretch = 2 / outputs.std(0).mean()
        last.weight.mul_(stretch)
        last.bias.copy_((last.bias - outputs.mean(0)) * stretch)
    return Bundle(net, preprocess=preprocess, classes=CLASSES, name=name)


def measured(bundle: Bundle, kind: str, pictures: list[Path]) -> dict[str, Any]:
    """One file, or a server, against its source."""
    if kind == "http":
        return over_http(bundle, pictures)
    suffix = next(suffix for suffix, word in KINDS.items() if word == kind)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / f"model{suffix}"
        start = time.perf_counter()
        _filler(bundle, suffix, None)(file)
        written = time.perf_counter() - start
        parity = compare(bundle, kind, file, pictures)
        return {
            "pictures": parity.count,
            "largest": parity.largest,
            "worst": Path(parity.worst).name,
            "other_labels": len(parity.other_labels),
            "close_labels": parity.close_labels,
            "holds": parity.largest <= PROBABILITY
            and not parity.other_labels
            and parity.close_labels <= parity.count / SOME,
            "megabytes": round(file.stat().st_size / 1e6, 1),
            "seconds": {"write": round(written, 1), "all": round(time.perf_counter() - start, 1)},
        }


@contextmanager
def served(bundle: Bundle) -> Iterator[str]:
    """The URL of `lensmith serve` on a bundle."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "lensmith", "serve", str(bundle.save(Path(place) / "model.lens"))]
        server = subprocess.Popen([*command, "--port", "0"], stderr=subprocess.PIPE, text=True)
        assert server.stderr is not None
        try:
            lines = iter(server.stderr.readline, "")
            yield next(found[0] for line in lines if (found := re.search(r"http://[0-9.:]+", line)))
        finally:
            server.terminate()
            server.communicate()


def over_http(bundle: Bundle, pictures: list[Path]) -> dict[str, Any]:
    """What a server says of files, beside `predict`: the probabilities of the likeliest names, and the label."""
    start = time.perf_counter()

    def ask(url: str, file: Path) -> dict[str, Any]:
        with urllib.request.urlopen(f"{url}/v1/predict", data=file.read_bytes(), timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    with served(bundle) as url, ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda file: ask(url, file), pictures))
    largest, worst, far, close = 0.0, "", 0, 0
    for file, answer in zip(pictures, answers, strict=True):
        source = bundle.predict(file)
        theirs, ours = dict(answer["top"]), dict(source.top)
        difference = max(abs(theirs[name] - ours[name]) for name in theirs.keys() & ours.keys())
        if difference >= largest:
            largest, worst = difference, file.name
        if answer["label"] != source.label:
            undecided = source.top[0][1] - source.top[1][1] <= CLOSE
            far, close = far + (not undecided), close + undecided
    return {
        "pictures": len(pictures),
        "largest": largest,
        "worst": worst,
        "other_labels": far,
        "close_labels": close,
        "holds": largest <= PROBABILITY and not far and close <= len(pictures) / SOME,
        "seconds": {"all": round(time.perf_counter() - start, 1)},
    }


def sides(words: argparse.Namespace) -> dict[str, tuple[Bundle, list[Path]]]:
    found: dict[str, tuple[Bundle, list[Path]]] = {}
    runs = (
        ("ants and bees", words.ants, 153),
        ("cifar", words.cifar, 2000),
        ("cifar, lite0", words.photos, 2000),
    )
    for name, run, most in runs:
        if run:
            found[name] = load_model(run), held_out(run, most)
    files = (
        sorted(file for file in words.pictures.rglob("*") if looks_like_picture(file))[:300]
        if words.pictures
        else []
    )
    for name in ("vit_tiny_patch16_224", "vgg16") if files else ():
        found[name] = drawn(name, files), files
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ants", help="run on ants and bees")
    parser.add_argument("--cifar", help="run of the fast convnet on CIFAR-10")
    parser.add_argument("--cifar-photos", dest="photos", help="run of EfficientNet-Lite0 on CIFAR-10")
    parser.add_argument(
        "--pictures", type=Path, help="folder whose first 300 pictures the other networks see"
    )
    parser.add_argument("--kinds", default="onnx,pt2,http")
    words = parser.parse_args()
    warnings.simplefilter("ignore")
    figures = {}
    for name, (bundle, pictures) in sides(words).items():
        figures[name] = {kind: measured(bundle, kind, pictures) for kind in words.kinds.split(",")}
        print(name, json.dumps(figures[name]), file=sys.stderr, flush=True)
    holds = all(one["holds"] for kinds in figures.values() for one in kinds.values())
    limits = {"probability": PROBABILITY, "close": CLOSE, "close_labels": f"1 in {SOME}"}
    print(json.dumps({"bar": "parity", "holds": holds, "limits": limits, "figures": figures}))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
