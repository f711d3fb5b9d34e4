"""A training under way, as a value that can be kept and put back: nothing else decides what its next steps do."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import torch

from lensmith.errors import ModelFileError
from lensmith.fitting.fit import Position, Training
from lensmith.planning.changes import Course, read_changes, written
from lensmith.training.averaging import Average
from lensmith.training.choosing import Best
from lensmith.training.log import RunLog
from lensmith.training.prepare import Prepared

_MAY_DIFFER = (
    "budget",
    "changes",
    "checkpoint_every",
    "processes",
    "log_every",
    "histograms",
    "seeds",
    "store",
    "threads",
)
"""Fields of a recipe that do not decide what a step does, or are kept in another way."""
_TOLD = 6


@dataclass
class Underway:
    """The parts of a training that change with its steps. ends: by when (time.perf_counter) it should be over."""

    prepared: Prepared
    training: Training
    best: Best
    course: Course
    log: RunLog
    plateau: torch.optim.lr_scheduler.ReduceLROnPlateau | None
    average: Average | None
    ends: float | None

    def state(self) -> dict[str, Any]:
        """After a step: numbers, words, containers and tensors, those of the network apart in `weights`."""
        prepared = self.prepared
        position = self.training.position()
        return {
            "step": position.done,
            "epoch": position.epoch + 1,
            "epochs": position.epochs,
            "of": identity(prepared),
            "torch": str(torch.__version__),
            "position": dataclasses.asdict(position),
            "weights": dict(prepared.model.state_dict()),
            "optimizer": prepared.optimizer.state_dict(),
            "best": self.best.as_dict(),
            "plateau": None if self.plateau is None else self.plateau.state_dict(),
            "average": None if self.average is None else self.average.as_dict(),
            "changes": written(self.course.changes),
            "threads": torch.get_num_threads(),
            "parts": self.training.update.parts,
            "processes": prepared.processes.world_size,
            "logged": self.log.size(),
            "left": None if self.ends is None else self.ends - time.perf_counter(),
        }

    def take(self, kept: dict[str, Any]) -> None:
        """Be as it was when `kept` was its state. What is drawn at random is seeded at each step, and needs none."""
        self.prepared.model.load_state_dict(kept["weights"])
        self.prepared.optimizer.load_state_dict(kept["optimizer"])
        self.best.take(kept["best"])
        if self.plateau is not None:
            self.plateau.load_state_dict(kept["plateau"])
        if self.average is not None:
            self.average.take(kept["average"])
        self.course.changes = read_changes(kept["changes"])
        torch.set_num_threads(kept["threads"])
        self.training.update.parts = kept["parts"]
        self.training.go_on_from(Position(**kept["position"]))


def identity(prepared: Prepared) -> dict[str, Any]:
    """What a training is of: a state of another one is not taken."""
    recipe = dataclasses.asdict(prepared.plan.recipe)
    train = prepared.column.matching(prepared.roles.train)
    return {
        **{name: value for name, value in recipe.items() if name not in _MAY_DIFFER},
        "classes": ", ".join(train.classes),
        "training pictures": train.fingerprint,
    }


def require_same(kept: dict[str, Any], prepared: Prepared, place: str) -> None:
    """Raise `ModelFileError` naming in what a state is that of another training."""
    now = identity(prepared)
    apart = [name for name in now if kept.get(name) != now[name]]
    if apart:
        told = ", ".join(f"{name} {_word(kept.get(name))} -> {_word(now[name])}" for name in apart[:_TOLD])
        raise ModelFileError(
            f"{place}: a checkpoint of another training: {told}",
            hint="Undo what was changed, or train anew: a run that goes on has to stay what it was.",
        )


def _word(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
