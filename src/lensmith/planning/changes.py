"""What changes on the way of a run, each with its step, so that a repeat can follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from lensmith.errors import UsageError
from lensmith.fitting.fit import Training
from lensmith.machine.processes import ALONE, Processes

Changed = Literal["threads", "epochs", "accumulate"]


@dataclass(frozen=True)
class Change:
    """After the step with this index, from 1 (0: before the first), `field` becomes `value`. words: why."""

    step: int
    field: Changed
    value: float
    words: str

    def apply(self, training: Training) -> None:
        """Let it hold from the next step on."""
        if self.field == "threads":
            torch.set_num_threads(int(self.value))
        elif self.field == "accumulate":
            training.update.parts = int(self.value)
        else:
            training.end_after(self.value)


Watcher = Callable[[int], list[Change]]
"""The index of the step that was just made -> what should change."""


def usual_work(step: int) -> float:
    """All steps are alike."""
    return 1.0


class Course:
    """Asks after each step what should change, lets it happen, and remembers it.

    processes: that train together, and all do what the first one's watchers say.
    """

    def __init__(self, training: Training, watchers: list[Watcher], processes: Processes = ALONE) -> None:
        self._training = training
        self._watchers = watchers
        self._processes = processes
        self.changes: list[Change] = []

    def step(self, index: int) -> list[Change]:
        """What changed after the step with this index."""
        changes = [change for watcher in self._watchers for change in watcher(index)]
        if self._processes.are_several:
            changes = self._agreed(changes)
        for change in changes:
            change.apply(self._training)
        self.changes += changes
        return changes

    def _agreed(self, changes: list[Change]) -> list[Change]:
        """What the first process's watchers ask for: its clock is the one that counts."""
        if not self._processes.heard(len(changes) * self._processes.is_first)[0]:
            return []
        return [Change(**one) for one in self._processes.agreed([vars(change) for change in changes])]


class Recorded:
    """The changes of an earlier run, each due at its step."""

    def __init__(self, text: str) -> None:
        self._due = read_changes(text)

    def step(self, index: int) -> list[Change]:
        """What is due after the step with this index."""
        return [change for change in self._due if change.step == index]


def written(changes: list[Change]) -> str:
    """As the recipe holds them: `120:threads=1 400:epochs=3.25`."""
    return " ".join(f"{change.step}:{change.field}={change.value:.10g}" for change in changes)


def read_changes(text: str) -> list[Change]:
    """The other way round. Raises `UsageError` for words that are no change."""
    return [_read(word) for word in text.split()]


def _read(word: str) -> Change:
    step, _, rest = word.partition(":")
    field, _, value = rest.partition("=")
    try:
        words = f"step {step}: {field} {value}, as in the run that is repeated"
        change = Change(int(step), field, float(value), words)  # type: ignore[arg-type]
    except ValueError:
        change = None
    if (
        change is None
        or field not in get_args(Changed)
        or change.step < (field != "accumulate")
        or not change.value > 0
    ):
        raise UsageError(
            f"changes: '{word}' is no change",
            hint="They are written step:threads=NUMBER, step:epochs=NUMBER or step:accumulate=NUMBER, with spaces "
            "between them.",
        )
    return change
