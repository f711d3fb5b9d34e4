"""What each process of `test_shared_steps.py` runs: trainings in float64 on batches of which it takes its share.

    torchrun --nproc-per-node 3 fitted_in_shares.py FILE CASE ...

The first process writes losses and weights of each case into FILE.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lensmith.batches.augment import Augment
from lensmith.batches.batches import Batches
from lensmith.batches.mixing import Mixing
from lensmith.errors import LensmithError
from lensmith.fitting.fit import fit
from lensmith.fitting.muon import Muon
from lensmith.machine.processes import Processes, join_processes, leave_processes
from lensmith.pictures.preprocess import Preprocess
from lensmith.types import Batch

CLASSES = 4


class Net(nn.Module):
    """Filters, a layer that no picture goes through, and one that only some pictures do."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Conv2d(3, 6, 3, stride=2)
        self.head = nn.Linear(6 * 9, CLASSES)
        self.never = nn.Linear(3, 3)
        self.bright = nn.Linear(6 * 9, CLASSES)
        self.register_buffer("shift", torch.linspace(-0.1, 0.1, 6).view(1, 6, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        seen = torch.relu(self.filters(images) + self.shift).flatten(1)
        is_bright = images.mean((1, 2, 3)) > 0.02
        found: Tensor = self.head(seen)
        if is_bright.any():
            found = found + self.bright(seen) * is_bright[:, None]
        return found


class Greedy(Net):
    """The second process has memory for few pictures at a time."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank = rank

    def forward(self, images: Tensor) -> Tensor:
        if self.rank == 1 and len(images) > 3:
            torch.empty(2**62, dtype=torch.uint8)
        return super().forward(images)


def norm_net(rank: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(54, CLASSES)
    )


def pixels() -> Tensor:
    random = torch.Generator().manual_seed(7)
    return torch.randint(0, 256, (101, 9, 9, 3), generator=random, dtype=torch.uint8)


def one_each(outputs: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(outputs, targets, reduction="none")


def plain(outputs: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(outputs, targets)


def not_a_number(outputs: Tensor, targets: Tensor) -> Tensor:
    """For the pictures of one process."""
    losses = one_each(outputs, targets)
    return torch.where(targets == 3, losses * float("nan"), losses) if len(targets) == 1 else losses


def muon(model: nn.Module) -> torch.optim.Optimizer:
    return Muon(model, 0.05, 32)


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=0.01)


WEIGHED = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5, 3.0]).double(), label_smoothing=0.1)
CASES: dict[str, dict[str, Any]] = {
    "sgd": {},
    "adamw": {"optimizer": adamw, "batch_size": 7},
    "muon": {"optimizer": muon},
    "of three": {"batch_size": 3, "optimizer": adamw},
    "parts": {"parts": 3},
    "parts of seven": {"parts": 2, "batch_size": 7, "optimizer": adamw},
    "no memory": {"model": Greedy},
    "class weights": {"loss": WEIGHED, "batch_size": 7},
    "one each": {"loss": one_each, "batch_size": 7},
    "mixed": {"mixing": Mixing(0.4, 1.0, CLASSES), "batch_size": 7, "loss": nn.CrossEntropyLoss()},
    "channels last": {"model": lambda rank: Net().to(memory_format=torch.channels_last), "optimizer": muon},
    "even": {"loss": plain, "batch_size": 12},
    "norms": {"model": norm_net},
    "uneven": {"loss": plain, "batch_size": 7},
    "summed": {"loss": nn.CrossEntropyLoss(reduction="sum")},
}


def batches_of(processes: Processes, batch_size: int, mixing: Mixing) -> Callable[..., Iterator[Batch]]:
    found = pixels()
    targets = (torch.arange(101) * 5) % CLASSES
    made = Batches(
        found,
        targets,
        Preprocess((7, 7), "crop"),
        batch_size,
        Augment(True, 0.1, colour=0.2),
        3,
        mixing=mixing,
        processes=processes,
    )

    def wide(epoch: int, first: int = 0) -> Iterator[Batch]:
        for batch in made(epoch, first):
            targets = batch.targets.double() if batch.targets.is_floating_point() else batch.targets
            yield batch._replace(images=batch.images.double(), targets=targets)

    return wide


def run(processes: Processes, case: dict[str, Any]) -> dict[str, Any]:
    torch.manual_seed(0)
    made = case.get("model", lambda rank: Net())
    model = made(processes.rank).double()
    training = fit(
        model,
        batches_of(processes, case.get("batch_size", 32), case.get("mixing", Mixing())),
        loss=case.get("loss", nn.CrossEntropyLoss(label_smoothing=0.1)),
        optimizer=case.get("optimizer", sgd)(model),
        epochs=case.get("epochs", 12 if case.get("batch_size", 32) > 16 else 3),
        schedule=lambda progress: 1 - progress,
    )
    try:
        training.update.share_with(processes)
        training.update.parts = case.get("parts", 1)
        training.update.guarded = True
        steps = list(training.steps())
    except LensmithError as error:
        return {"error": error.message, "hint": error.hint}
    weights = {name: value.double().flatten().tolist() for name, value in model.state_dict().items()}
    return {
        "losses": [float(step.loss) for step in steps],
        "weights": weights,
        "parts": steps[-1].parts,
        "gradients": [name for name, p in model.named_parameters() if p.grad is not None],
    }


def main() -> None:
    torch.set_num_threads(1)
    processes = join_processes()
    found = {name: run(processes, CASES[name]) for name in sys.argv[2:]}
    if processes.is_first:
        Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")
    leave_processes()


if __name__ == "__main__":
    main()
