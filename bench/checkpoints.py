"""What checkpoints cost at the default interval: seconds that the training waits, and CPU seconds of their thread.

    python bench/checkpoints.py

For networks of several sizes a state as large as a real one (weights, what AdamW or Muon keeps, the best weights) is
written again and again into a temporary folder, with sync and read-back. The share is that of the time between two of
them: 15 s, or more where they cost more than a hundredth of it.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from lensmith.fitting.muon import Muon
from lensmith.models.build import build
from lensmith.training.checkpoints import SHARE, SHORTEST, Saver

CASES = (
    ("convnet", 32, "muon"),
    ("convnet_large", 32, "muon"),
    ("resnet18", 224, "adamw"),
    ("vit_b_16", 224, "adamw"),
)
ROUNDS = 5


def main() -> None:
    print(
        "| network | optimizer | MB | waits, ms | whole, ms | CPU, ms | interval, s | share of wall | of CPU |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, size, kind in CASES:
        model = build(name, 10, size)
        state = _state(model, kind)
        total = sum(t.nbytes for t in _tensors(state))
        waits, alls, cpus = [], [], []
        with TemporaryDirectory() as folder:
            saver = Saver(Path(folder), None, sum(t.nbytes for t in model.state_dict().values()))
            for step in range(1, ROUNDS + 1):
                began, cpu = time.perf_counter(), time.process_time()
                assert not saver.save(state | {"step": step})
                waits.append(time.perf_counter() - began)
                assert not saver.wait()
                alls.append(time.perf_counter() - began)
                cpus.append(time.process_time() - cpu)
            saver.close()
        wait, whole, cpu = (statistics.median(seconds) for seconds in (waits, alls, cpus))
        interval = max(SHORTEST, whole / SHARE)
        print(
            f"| {name} | {kind} | {total / 1e6:.0f} | {1000 * wait:.0f} | {1000 * whole:.0f} | {1000 * cpu:.0f} "
            f"| {interval:.0f} | {wait / interval:.2%} | {cpu / interval:.2%} |",
            flush=True,
        )


def _state(model: nn.Module, kind: str) -> dict[str, Any]:
    """As a training has it after its first epochs."""
    optimizer: torch.optim.Optimizer = (
        Muon(model, 0.2, 500) if kind == "muon" else torch.optim.AdamW(model.parameters())
    )
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.full_like(parameter, 1e-3)
    optimizer.step()
    best = {name: value.clone() for name, value in model.state_dict().items()}
    return {"weights": dict(model.state_dict()), "optimizer": optimizer.state_dict(), "best": best}


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


if __name__ == "__main__":
    main()
