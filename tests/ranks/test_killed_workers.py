"""Processes that are killed, told to end, or started again: the run goes on, to the weights that it would have had."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from painted import paint_folder
from torchrun import launcher, surroundings, torchrun, wait_until, workers

from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import sha256_of

NET = """
import time
from torch import nn


class Net(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(196, outputs)
        )

    def forward(self, images):
        time.sleep(0.05 * self.training)  # so that there is time to be killed in
        return self.layers(images)
"""
WORDS = (
    *(
        "-m",
        "lensmith",
        "train",
        "set",
        "--model",
        "net.py:Net",
        "image_size=16",
        "epochs=6",
        "batch_size=10",
    ),
    *("optimizer=sgd", "lr=0.01", "momentum=0.9", "precision=float32", "threads=1", "average=0.9"),
    *("checkpoint_every=0.01s", "mixup=0.2", "--out", "run"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`set/` with train, val and test, and `net.py`."""
    place = tmp_path_factory.mktemp("killed")
    for split in ("train", "val", "test"):
        paint_folder(place / "set" / split, ant=30, bee=20)
    (place / "net.py").write_text(NET, encoding="utf-8")
    return place


def weights(place: Path) -> str:
    return sha256_of(RunDirectory(place / "run").model / "weights.safetensors")


@pytest.fixture(scope="module")
def undisturbed(place: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    here = beginning(place, tmp_path_factory.mktemp("undisturbed"))
    done = torchrun(2, *WORDS, cwd=here)
    assert done.returncode == 0, done.stderr
    return weights(here)


def beginning(place: Path, here: Path) -> Path:
    for name in ("set", "net.py"):
        (here / name).symlink_to(place / name)
    return here


def started(here: Path, restarts: int, count: int = 2) -> subprocess.Popen[str]:
    return subprocess.Popen(
        launcher(count, *WORDS, restarts=restarts),
        cwd=here,
        env=surroundings(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_at(here: Path, step: int) -> bool:
    found = [int(path.name) for path in (here / "run/checkpoints").glob("[0-9]*")]
    return max(found, default=0) >= step


@pytest.mark.parametrize("rank", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_a_killed_worker_is_replaced_and_the_weights_are_the_same(
    place: Path, undisturbed: str, tmp_path: Path, rank: int
) -> None:
    here = beginning(place, tmp_path)
    process = started(here, restarts=2)
    for step in (4, 17):
        wait_until(lambda step=step: is_at(here, step), process)  # type: ignore[misc]
        victim = workers(process.pid)[rank]
        Path(f"/proc/{victim}/cmdline").read_text()
        import os

        os.kill(victim, signal.SIGKILL)
        wait_until(lambda victim=victim: workers(process.pid).get(rank, victim) != victim, process)  # type: ignore[misc]
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert weights(here) == undisturbed
    facts = RunDirectory(here / "run").facts()
    assert len(facts["resumed"]) == 2
    assert err.count("which was begun before these processes were started again") == 2
