"""A training in two processes, slow enough to be disturbed, and what it comes to."""

from __future__ import annotations

import subprocess
from pathlib import Path

from painted import paint_folder
from torchrun import TORCHRUN, surroundings

from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import sha256_of

NET = """
import time
from torch import nn


class Net(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.front = nn.Sequential(nn.Conv2d(3, 4, 9, stride=8), nn.BatchNorm2d(4), nn.ReLU())
        self.back = nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Dropout(0.1), nn.Linear(36, outputs))

    def forward(self, images):
        time.sleep(0.05 * self.training)  # so that there is time to be killed in
        return self.back(self.front(images))
"""
WORDS = (
    *("-m", "lensmith", "train", "set", "--model", "net.py:Net", "image_size=112", "fit=squish", "epochs=5"),
    *(
        "batch_size=9",
        "optimizer=sgd",
        "lr=0.02",
        "precision=float32",
        "threads=1",
        "average=0.9",
        "mixup=0.2",
    ),
    *("checkpoint_every=0.01s", "--out", "run"),
)
HERE = ("--standalone", "--nproc-per-node=2")


def lay_out(place: Path) -> Path:
    """`set/` with 50 pictures to train on, 50 to choose on and 101 to measure on, and `net.py`."""
    for split, ants in (("train", 30), ("val", 30), ("test", 81)):
        paint_folder(place / "set" / split, ant=ants, bee=20)
    (place / "net.py").write_text(NET, encoding="utf-8")
    return place


def weights(place: Path) -> str:
    return sha256_of(RunDirectory(place / "run").model / "weights.safetensors")


def is_at(place: Path, step: int) -> bool:
    """Whether there is a checkpoint of this step, or of a later one."""
    found = [int(path.name) for path in (place / "run/checkpoints").glob("[0-9]*")]
    return max(found, default=0) >= step


def started(
    place: Path, *options: str, prefix: tuple[str, ...] = (), **changes: str
) -> subprocess.Popen[str]:
    """torchrun with these options on the training; what it says goes into a pipe."""
    return subprocess.Popen(
        [*prefix, *TORCHRUN, *options, *WORDS],
        cwd=place,
        env=surroundings(**changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
