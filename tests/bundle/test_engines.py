"""What computes a bundle's outputs: how many pictures at once, on which cores, how fast."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.engines import Engine, torch_engine
from lensmith.bundle.measure import timed_look
from lensmith.pictures.preprocess import Preprocess

# Every thread that the model's answer needed, and where it was allowed to run.
BOUND = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[2])})
import numpy as np
from lensmith.bundle.bundle import load_model
bundle = load_model(sys.argv[1])
bundle.logits(np.zeros((4, *bundle.preprocess.size, 3), np.uint8))
allowed = {frozenset(os.sched_getaffinity(int(task))) for task in os.listdir("/proc/self/task")}
print(bundle.engine.name, bundle.engine.threads, sorted(set().union(*allowed)))
"""


@pytest.mark.skipif(sys.platform != "linux" or (os.cpu_count() or 1) < 2, reason="needs two Linux cores")
def test_it_computes_on_no_core_that_it_may_not_use(folder: Path) -> None:
    core = min(os.sched_getaffinity(0))
    words = [sys.executable, "-c", BOUND, str(folder), str(core)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=2) == ["onnxruntime", "1", f"[{core}]\n"]


def test_large_pictures_are_computed_a_few_at_a_time() -> None:
    """Memory follows the pictures at once, not how many were asked for."""
    engine = Engine("none", 2, 100, lambda pictures: np.zeros((len(pictures), 1), np.float32))
    for side, sizes in ((5, [4, 4, 3]), (11, [1] * 11), (2, [11])):
        pictures = np.arange(11, dtype=np.uint8).repeat(side * side * 3).reshape(11, side, side, 3)
        parts = list(engine.parts(pictures))
        assert [len(part) for part in parts] == sizes
        assert (np.concatenate(parts) == pictures).all()


def test_what_is_timed_is_what_is_answered(bundle: Bundle) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    logits, distances, speed = timed_look(bundle, pixels)
    assert distances is None and (logits == bundle.logits(pixels)).all()
    assert (speed.engine, speed.count) == ("onnxruntime", 40) and speed.threads >= 1
    assert speed.latency > 0 and speed.rate > 0
    assert "onnxruntime" in str(speed)


def test_a_network_that_torch_computes_says_so() -> None:
    engine = torch_engine(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), Preprocess(2))
    assert (engine.name, engine.threads) == ("torch", torch.get_num_threads())
    assert engine(np.zeros((3, 2, 2, 3), np.uint8)).shape == (3, 2)
