"""Two processes with a GPU each, by NCCL."""

from __future__ import annotations

from pathlib import Path

import pytest
from several_runs import WORDS
from torchrun import torchrun

from lensmith.runs.files import read_json_lines


@pytest.mark.gpu
def test_two_gpus_learn_what_one_does(here: Path) -> None:
    import torch

    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    (here / "plain.py").write_text(
        "from torch import nn\n\n\ndef make(outputs):\n    return nn.Sequential(nn.Conv2d(3, 4, 9, stride=8), "
        "nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, outputs))\n",
        encoding="utf-8",
    )
    words = [word.replace("net.py:Net", "plain.py:make") for word in WORDS[:-1]]
    for count in (1, 2):
        done = torchrun(count, *words, str(count), "--device", "cuda", cwd=here)
        assert done.returncode == 0, done.stderr
    one, two = ([row["train_loss"] for row in read_json_lines(here / n / "metrics.jsonl")] for n in "12")
    assert two == pytest.approx(one, rel=1e-3)
