"""What needs no model: the same answer for every picture, measured beside the model on the same pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lensmith.evaluation.intervals import Value, value_from


@dataclass(frozen=True)
class Baseline:
    """answer: what it says of every picture; value: its figure; difference: the model's less its own; chance: of a
    difference at least as large, were there none (1 where nothing can be told)."""

    answer: str
    value: Value
    difference: Value
    chance: float

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: the value's, with the rest beside it."""
        rest = {"answer": self.answer, "difference": self.difference.as_dict(), "p": self.chance}
        return self.value.as_dict() | rest


def baseline_from(facts: dict[str, Any]) -> Baseline:
    """A `Baseline` from its JSON form."""
    return Baseline(facts["answer"], value_from(facts), value_from(facts["difference"]), facts["p"])
