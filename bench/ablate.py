"""Each technique of the training from scratch on and off: what it costs, and what it brings.

    python bench/ablate.py CIFAR10               # CIFAR10: a folder with train/CLASS/*.png
    python bench/ablate.py CIFAR10 --only whiten flip
    python bench/ablate.py CIFAR10 --passes 10   # as long as ten passes take, where each picture is seen more often
    python bench/ablate.py CIFAR10 --table       # the table of the runs so far

The small network learns from nine tenths of the training pictures, three passes and more, and is measured on the
last tenth; no test picture is touched. One thread, in this process, the cases of a seed one after the other, seeds
outermost. Each run is a line in bench/logs/ablations.jsonl; what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from lensmith.batches.augment import Augment
from lensmith.batches.batches import Batches, normalised
from lensmith.batches.growth import Growth
from lensmith.batches.mixing import Mixing
from lensmith.data.sources import load_data
from lensmith.fitting import muon, optim
from lensmith.fitting.fit import fit
from lensmith.machine.allocator import keep_large_blocks
from lensmith.models import packed
from lensmith.models.build import build
from lensmith.models.convnet import ConvNet
from lensmith.pictures.preprocess import Preprocess
from lensmith.store.store import open_column

LOGS = Path(__file__).parent / "logs"
SEEDS = (0, 1, 2)
SIZE, CLASSES, BATCH = 32, 10, 500
WORK = 3.0
"""Passes at full size, or what takes as long."""


@dataclass(frozen=True)
class Training:
    """How a network is trained; the defaults are the library's, for 50 seconds or so on two cores."""

    passes: float = WORK / 0.703
    rate: float = 0.25
    small_first: float = 0.5
    flip: bool = True
    shift: float = 0.0625
    smoothing: float = 0.1
    bfloat16: bool = True
    schedule: Callable[[float], float] = optim.linear
    optimizer: str = "muon"
    augment: dict[str, float] = field(default_factory=dict)
    mixing: dict[str, float] = field(default_factory=dict)
    prepare: Callable[[ConvNet, Tensor], None] = lambda net, images: net.whiten(images)
    patches: tuple[tuple[Any, str, Any], ...] = ()


def random_stem(net: ConvNet, images: Tensor) -> None:
    net.stem.weight.requires_grad = True


def random_filters(net: ConvNet, images: Tensor) -> None:
    net.whiten(images)
    for conv in net.stages.modules():
        if isinstance(conv, nn.Conv2d):
            conv.reset_parameters()


def slow_statistics(net: ConvNet, images: Tensor) -> None:
    net.whiten(images)
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 0.1


def scaled_norms(net: ConvNet, images: Tensor) -> None:
    net.whiten(images)
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.weight.requires_grad = True


def relu(net: ConvNet, images: Tensor) -> None:
    net.whiten(images)
    rectified(net)


def rectified(net: ConvNet) -> None:
    """ReLU in the place of GELU."""
    for place in net.modules():
        for name, child in list(place.named_children()):
            if isinstance(child, nn.GELU):
                setattr(place, name, nn.ReLU())


def largest_alone(net: ConvNet, images: Tensor) -> Tensor:
    maps = net.stages(net.stem(images))
    pooled = torch.amax(maps, dim=(2, 3))
    return net.head(torch.cat([pooled, pooled], dim=1))


OFF = {
    "Muon (off: SGD at 0.2, Nesterov)": Training(optimizer="sgd", rate=0.2),
    "a whitened, frozen first layer": Training(prepare=random_stem),
    "filters begin as the identity": Training(prepare=random_filters),
    "statistics that forget fast (off: 0.1)": Training(prepare=slow_statistics),
    "norms without a scale": Training(prepare=scaled_norms),
    "GELU (off: ReLU)": Training(prepare=relu),
    "GELU, at equal time (off: ReLU)": Training(prepare=relu, passes=1.09 * WORK / 0.703),
    "largest and mean response (off: largest)": Training(patches=((ConvNet, "forward", largest_alone),)),
    "biases at a rate of their own (off: the filters')": Training(patches=((muon, "_BIAS_RATE", 1 / BATCH),)),
    "rate to zero along a line (off: constant)": Training(schedule=optim.constant),
    "rate to zero along a line (off: cosine)": Training(schedule=optim.cosine),
    "label smoothing 0.1": Training(smoothing=0.0),
    "mirrored pictures": Training(flip=False),
    "moved pictures": Training(shift=0.0),
    "smaller pictures first, at equal time": Training(small_first=0.0, passes=WORK),
    "bfloat16": Training(bfloat16=False),
    "packed narrow maps": Training(patches=((packed, "_NARROW", 0),)),
}
"""What is on by default -> the training without it."""
ON = {
    "crop": Training(shift=0.0, augment={"crop": 0.5}),
    "colour": Training(augment={"colour": 0.3}),
    "cutout": Training(augment={"cutout": 0.25}),
    "mixup": Training(mixing={"mixup": 0.2}),
    "cutmix": Training(mixing={"cutmix": 1.0}),
}
"""What is off by default -> the training with it."""
PLAIN = "as it is"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of cases")
    parser.add_argument("--passes", type=float, default=WORK, help="at full size, or what takes as long")
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    log = LOGS / ("ablations.jsonl" if arguments.passes == WORK else f"ablations-{arguments.passes:g}.jsonl")
    runs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if not arguments.table:
        cases = {PLAIN: Training(), **OFF, **ON}
        longer = arguments.passes / WORK
        wanted = {
            (name, seed): replace(training, passes=longer * training.passes)
            for seed in arguments.seeds
            for name, training in cases.items()
            if not arguments.only or any(word in name for word in arguments.only)
        }
        runs += run_all(wanted, runs, arguments.cifar10, log)
    print(table(runs))


def run_all(
    cases: dict[tuple[str, int], Training], done: list[dict[str, Any]], folder: Path, log: Path
) -> list[dict[str, Any]]:
    """Run what is missing of (case, seed), and keep each run."""
    torch.set_num_threads(1)
    keep_large_blocks()
    pixels, targets = pictures(folder / "train")
    known, made = {(run["case"], run["seed"]) for run in done}, []
    for (name, seed), training in cases.items():
        if (name, seed) in known:
            continue
        run = {"case": name, "seed": seed, **train(training, pixels, targets, seed)}
        print(json.dumps(run), flush=True)
        with log.open("a") as file:
            file.write(json.dumps(run) + "\n")
        made.append(run)
    return made


def pictures(folder: Path) -> tuple[Tensor, Tensor]:
    """All training pictures, uint8 [N, 32, 32, 3], and their classes, in an order that is drawn once."""
    data = load_data(folder)
    opening = open_column(data, Preprocess(SIZE))
    while True:
        try:
            next(opening)
        except StopIteration as end:
            column = end.value
            break
    order = np.random.default_rng(0).permutation(len(data))
    targets = torch.tensor([example.target for example in column.matching(data).examples])
    return torch.from_numpy(np.ascontiguousarray(column.pixels[order])), targets[order]


def train(training: Training, pixels: Tensor, targets: Tensor, seed: int) -> dict[str, float]:
    """Accuracy on the first tenth, CPU seconds of the training on the rest."""
    held_back, preprocess = len(pixels) // 10, Preprocess(SIZE)
    torch.manual_seed(seed)
    with ExitStack() as stack:
        for place, name, value in training.patches:
            stack.enter_context(patch.object(place, name, value))
        net = build("convnet", CLASSES, SIZE).to(memory_format=torch.channels_last)
        training.prepare(net, normalised(pixels[held_back : held_back + 2000], preprocess))
        batches = Batches(
            pixels[held_back:],
            targets[held_back:],
            preprocess,
            BATCH,
            Augment(training.flip, training.shift, **training.augment),
            seed,
            mixing=Mixing(**training.mixing, classes=CLASSES),
            growth=Growth(training.small_first, training.passes),
        )
        began = time.process_time()
        fit(
            net,
            batches,
            loss=nn.CrossEntropyLoss(label_smoothing=training.smoothing),
            optimizer=optimizer(net, training),
            epochs=training.passes,
            schedule=training.schedule,
            precision="bfloat16" if training.bfloat16 else "float32",
        ).run()
        cpu = time.process_time() - began
        return {"accuracy": accuracy(net, pixels[:held_back], targets[:held_back]), "cpu": round(cpu, 1)}


def optimizer(net: nn.Module, training: Training) -> torch.optim.Optimizer:
    if training.optimizer == "sgd":
        trained = [p for p in net.parameters() if p.requires_grad]
        return torch.optim.SGD(trained, training.rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    made = muon.Muon(net, training.rate, BATCH)
    made.use_low_precision(training.bfloat16)
    return made


@torch.no_grad()
def accuracy(net: nn.Module, pixels: Tensor, targets: Tensor) -> float:
    net.eval()
    parts = pixels.split(BATCH), targets.split(BATCH)
    right = [
        net(normalised(x, Preprocess(SIZE))).argmax(1).eq(y).sum().item() for x, y in zip(*parts, strict=True)
    ]
    return sum(right) / len(targets)


def table(runs: list[dict[str, Any]]) -> str:
    """With and without, and what it brings: points of accuracy, and how many times the CPU seconds."""
    plain = [run for run in runs if run["case"] == PLAIN]
    lines = [
        "| technique | with | without | brings | CPU s with, without |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in [name for name in (*OFF, *ON) if any(run["case"] == name for run in runs)]:
        own = [run for run in runs if run["case"] == name]
        with_it, without = (plain, own) if name in OFF else (own, plain)
        brings = mean(with_it, "accuracy") - mean(without, "accuracy")
        cells = [name, spread(with_it), spread(without), f"{100 * brings:+.2f}"]
        cells.append(f"{mean(with_it, 'cpu'):.0f}, {mean(without, 'cpu'):.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def mean(runs: list[dict[str, Any]], key: str) -> float:
    return statistics.mean(run[key] for run in runs)


def spread(runs: list[dict[str, Any]]) -> str:
    each = ", ".join(f"{100 * run['accuracy']:.1f}" for run in runs)
    return f"{100 * mean(runs, 'accuracy'):.2f} ({each})"


if __name__ == "__main__":
    main()
