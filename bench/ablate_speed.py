"""Techniques that change the time of a step and nothing else, each on and off: seconds of a step, on two cores.

    python bench/ablate_speed.py              # five runs of each, in turn, each in a process of its own
    python bench/ablate_speed.py --table

A step learns from 500 random pictures of 32 x 32, as the training from scratch does. Each run is a line in
bench/logs/ablations-speed.jsonl; what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from ablate import BATCH, CLASSES, SIZE, rectified
from torch import nn

from lensmith.batches.augment import Augment
from lensmith.batches.batches import Batches
from lensmith.fitting.fit import fit
from lensmith.fitting.muon import Muon
from lensmith.machine.allocator import keep_large_blocks
from lensmith.models import packed
from lensmith.models.build import build
from lensmith.models.convnet import ConvNet
from lensmith.pictures.preprocess import Preprocess

LOG = Path(__file__).parent / "logs/ablations-speed.jsonl"
RUNS, STEPS = 5, 16
NETS = ("convnet", "convnet_medium")


def learning_stem(net: ConvNet) -> None:
    net.stem.weight.requires_grad = True


def contiguous(net: ConvNet) -> None:
    net.to(memory_format=torch.contiguous_format)


@dataclass(frozen=True)
class Way:
    """How a step is done; the defaults are the library's."""

    threads: int = 2
    keeps_blocks: bool = True
    bfloat16: bool = True
    narrow: int = packed._NARROW
    prepare: Callable[[Any], None] | None = None


WAYS = {
    "as it is": Way(),
    "blocks kept by the allocator": Way(keeps_blocks=False),
    "bfloat16": Way(bfloat16=False),
    "channels last": Way(prepare=contiguous),
    "a frozen first layer": Way(prepare=learning_stem),
    "packed narrow maps": Way(narrow=0),
    "GELU (off: ReLU)": Way(prepare=rectified),
    "two threads (off: one)": Way(threads=1),
}
"""The first with all techniques -> each without one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--side", nargs=2, metavar=("NET", "WAY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        net, way = arguments.side
        print(json.dumps(step_seconds(net, WAYS[way])))
        return
    runs = [json.loads(line) for line in LOG.read_text().splitlines()] if LOG.exists() else []
    if not arguments.table:
        run_all(runs)
    print(table(runs))


def run_all(runs: list[dict[str, Any]]) -> None:
    """Add what is missing to `runs` and to the log."""
    for turn in range(RUNS):
        for net in NETS:
            names = list(WAYS)
            for way in names[turn:] + names[:turn]:
                if any((run["net"], run["way"], run["turn"]) == (net, way, turn) for run in runs):
                    continue
                command = [sys.executable, __file__, "--side", net, way]
                out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                runs.append({"net": net, "way": way, "turn": turn, **json.loads(out)})
                with LOG.open("a") as log:
                    log.write(json.dumps(runs[-1]) + "\n")


def step_seconds(name: str, way: Way) -> dict[str, float]:
    torch.set_num_threads(way.threads)
    if way.keeps_blocks:
        keep_large_blocks()
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (STEPS * BATCH, SIZE, SIZE, 3), dtype=torch.uint8)
    targets = torch.randint(0, CLASSES, (len(pixels),))
    net = build(name, CLASSES, SIZE).to(memory_format=torch.channels_last)
    if way.prepare:
        way.prepare(net)
    optimizer = Muon(net, 0.1, BATCH)
    optimizer.use_low_precision(way.bfloat16)
    batches = Batches(pixels, targets, Preprocess(SIZE), BATCH, Augment(True, 0.0625), 0)
    spent: dict[str, float] = {}
    with patch.object(packed, "_NARROW", way.narrow):
        for epochs in (0.25, 1.0):  # the first warms up
            wall, cpu = time.perf_counter(), time.process_time()
            fit(
                net,
                batches,
                loss=nn.CrossEntropyLoss(label_smoothing=0.1),
                optimizer=optimizer,
                epochs=epochs,
                precision="bfloat16" if way.bfloat16 else "float32",
            ).run()
            spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return {key: round(value / STEPS, 4) for key, value in spent.items()}


def table(runs: list[dict[str, Any]]) -> str:
    """Milliseconds of a step with and without, median and range of wall, and how many times the CPU seconds."""
    lines = [
        "| technique | network | with, ms | without, ms | brings, wall | brings, CPU |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for way in list(WAYS)[1:]:
        for net in NETS:
            with_it, without = (
                [run for run in runs if (run["net"], run["way"]) == (net, name)] for name in ("as it is", way)
            )
            if not with_it or not without:
                continue
            ratios = [f"{median(without, key) / median(with_it, key):.2f}x" for key in ("wall", "cpu")]
            lines.append(f"| {' | '.join([way, net, spread(with_it), spread(without), *ratios])} |")
    return "\n".join(lines)


def median(runs: list[dict[str, Any]], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def spread(runs: list[dict[str, Any]]) -> str:
    walls = [1000 * run["wall"] for run in runs]
    return f"{statistics.median(walls):.0f} ({min(walls):.0f} to {max(walls):.0f})"


if __name__ == "__main__":
    main()
