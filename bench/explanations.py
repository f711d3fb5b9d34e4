"""Do the maps of the chosen layer mark what answers hang on? Deletion and insertion on 50 pictures, four networks.

    python bench/explanations.py CIFAR10 PHOTOS --work FOLDER

CIFAR10: a folder with train/CLASS/*.png and test/CLASS/*.png; PHOTOS: one with train/CLASS and val/CLASS, of photos.
Pretrained weights of three of the four networks cannot be had without a network, so those learn from scratch to tell
a few kinds of CIFAR-10, enlarged; EfficientNet-Lite0 is the packaged one, with a head for PHOTOS. Each network is
trained once into FOLDER and found there the next time; what was measured already is not measured again.

On each of 50 held-out pictures, the same each time, the answer's probability is followed while the picture is hidden
in the order of: the map of the layer that `explain` chooses; the same map's values laid out at random (the mean of
the draws); the map of the first layer, in pieces of the same size (and as fine as it is: scattered pixels take any
answer away, in whichever order). What is printed are means over the pictures and paired differences.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lensmith.batches.batches import normalised
from lensmith.bundle.bundle import Bundle, load_model
from lensmith.data.sources import load_data
from lensmith.evaluation.intervals import Value, mean
from lensmith.explaining.explain import Explained, explain, network_of
from lensmith.explaining.gradients import heats
from lensmith.explaining.hiding import Trust, trust
from lensmith.models.maps import find_maps
from lensmith.runs.files import read_json, write_json

LOG = Path(__file__).parent / "logs/explanations.json"
KINDS = ("automobile", "frog", "ship")
"""Of CIFAR-10: of three kinds a network from scratch learns something in minutes on two cores."""
PICTURES = 50
NETWORKS = {
    "resnet18": ["--epochs", "8", "image_size=96"],
    "efficientnet_lite0": ["freeze=true"],
    "vit_b_16": ["--epochs", "5", "image_size=96", "optimizer=adamw", "lr=0.0003", "batch_size=32"],
    "swin_t": ["--epochs", "1", "image_size=96", "optimizer=adamw", "lr=0.0005", "batch_size=32"],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="trained networks are kept here")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--each", type=int, default=2000, help="training pictures of each kind of CIFAR-10")
    parser.add_argument("--draws", type=int, default=20, help="random layouts of each map")
    words = parser.parse_args()
    log: dict[str, Any] = read_json(LOG) if LOG.exists() else {}
    for name in words.networks:
        data = (
            words.photos if name == "efficientnet_lite0" else part_of(words.cifar10, words.each, words.work)
        )
        run = words.work / name
        if not (run / "report.json").exists():
            train(name, data, run)
        if name not in log or log[name].get("pictures", 0) < PICTURES:
            log[name] = measured(run, data, words.draws)
            write_json(LOG, log)
        print(told(name, log[name]), flush=True)


def part_of(cifar10: Path, each: int, work: Path) -> Path:
    """Some kinds of CIFAR-10 as links: `each` training pictures of a kind, and a fifth as many to measure on."""
    folder = work / f"cifar-{each}"
    for split, count in (("train", each), ("test", each // 5)):
        for kind in KINDS:
            place = folder / split / kind
            place.mkdir(parents=True, exist_ok=True)
            for file in sorted((cifar10 / split / kind).iterdir())[:count]:
                link = place / file.name
                if not link.exists():
                    link.symlink_to(file.resolve())
    return folder


def train(name: str, data: Path, run: Path) -> None:
    words = ["train", str(data), "--model", name, "--out", str(run), *NETWORKS[name]]
    subprocess.run([sys.executable, "-m", "lensmith", *words], check=True)


def measured(run: Path, data: Path, draws: int) -> dict[str, Any]:
    """The areas on each picture, their means, and how far apart they lie."""
    bundle = load_model(run)
    network, why = network_of(bundle)
    if network is None:
        raise SystemExit(f"{run}: {why}")
    began, rows, layer = time.monotonic(), [], ""
    held_out = load_data(data)
    held_out = held_out.split(held_out.splits[-1])
    order = np.argsort(held_out.ids)[:PICTURES]
    for number, index in enumerate(order.tolist()):
        pixels = bundle.prepare(held_out.pixels(index))
        why_it = explain(bundle, pixels, network=network, draws=draws)
        layer = why_it.layer
        first, fine = of_first_layer(bundle, network, pixels, why_it)
        said = why_it.trust
        rows.append(
            {
                "score": why_it.score,
                "deletion": said.deletion,
                "insertion": said.insertion,
                "random": float(np.mean(said.random)),
                "first_deletion": first.deletion,
                "first_insertion": first.insertion,
                "fine_deletion": fine.deletion,
                "fine_insertion": fine.insertion,
                "trusted": said.holds,
            }
        )
        print(f"  {number + 1}/{len(order)}", end="\r", file=sys.stderr, flush=True)
    table = {key: np.array([row[key] for row in rows], float) for key in rows[0]}
    return {
        "pictures": len(rows),
        "layer": layer,
        "grid": list(why_it.places.shape),
        "draws": draws,
        "accuracy": read_json(run / "report.json")["accuracy"],
        "seconds_a_picture": round((time.monotonic() - began) / len(rows), 2),
        "means": {key: round(float(values.mean()), 4) for key, values in table.items()},
        "deletion_below_random": apart(table["random"] - table["deletion"]).as_dict(),
        "deletion_below_first": apart(table["first_deletion"] - table["deletion"]).as_dict(),
        "insertion_above_random": apart(table["insertion"] - table["random"]).as_dict(),
        "insertion_above_first": apart(table["insertion"] - table["first_insertion"]).as_dict(),
        "versions": {"torch": torch.__version__, "threads": torch.get_num_threads()},
    }


def of_first_layer(bundle: Bundle, network: torch.nn.Module, pixels: Any, beside: Explained) -> list[Trust]:
    """How far the map of the first layer holds, made in the same way: in pieces as large as the other's, and fine."""
    images = normalised(torch.from_numpy(np.array(pixels[None])), bundle.preprocess).contiguous()
    (fine,) = heats(network, images, beside.output, find_maps(network, images)[:1])
    pieces = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(fine)[None], beside.places.shape)[0]
    maps = [np.maximum(places, 0) for places in (pieces.numpy(), fine)]
    return [trust(bundle.scores, pixels, places, beside.output, draws=1) for places in maps]


def apart(differences: Any) -> Value:
    """The mean of paired differences with its 95 % interval."""
    return mean(differences)


def told(name: str, found: dict[str, Any]) -> str:
    means = found["means"]
    return (
        f"{name:20} accuracy {found['accuracy']['value']:.3f}, layer {found['layer']} {found['grid']}: deletion "
        f"{means['deletion']:.3f}, random {means['random']:.3f}, first layer {means['first_deletion']:.3f}; below "
        f"random by {interval(found['deletion_below_random'])}, below the first layer by "
        f"{interval(found['deletion_below_first'])}; insertion {means['insertion']:.3f}, above random by "
        f"{interval(found['insertion_above_random'])}; {means['trusted']:.0%} of the maps hold"
    )


def interval(value: dict[str, Any]) -> str:
    if value["low"] is None:
        return f"{value['value']:.3f}"
    return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


if __name__ == "__main__":
    main()
