"""How many measured pictures are marked as unlike the training ones, and whether the model errs more on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.evaluation.calibration import certainties
from lensmith.evaluation.intervals import Floats, Value, proportion
from lensmith.features.neighbours import MARKED
from lensmith.types import Task


@dataclass(frozen=True)
class Unlike:
    """marked: the share of pictures unlike the training ones. right_marked, right_others: what of those and of
    the others is answered rightly, None for a regression. kept: how many neighbours there are; limit: the distance
    beyond which a picture is marked."""

    marked: Value
    right_marked: Value | None
    right_others: Value | None
    kept: int
    limit: float

    def verdict(self) -> str:
        """One sentence for a person."""
        words = f"{self.marked.value:.1%} of {self.marked.count:,} pictures are marked as unlike the training ones"
        if self.marked.low is not None and self.marked.high is not None:
            words += f", between {self.marked.low:.1%} and {self.marked.high:.1%}"
        words += f"; of pictures of their kind about {MARKED:.0%} should be"
        if self.marked.low is not None and self.marked.low > 2 * MARKED:
            words += ", so these differ from them, or the model saw too few"
        if self.right_marked is None or self.right_others is None or not self.right_marked.count:
            return words
        right, others = self.right_marked.value, self.right_others.value
        return f"{words}; {right:.1%} of those marked are answered rightly, {others:.1%} of the others"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        right = {"right_marked": self.right_marked, "right_others": self.right_others}
        return {
            "verdict": self.verdict(),
            "marked": self.marked.as_dict(),
            **{name: None if value is None else value.as_dict() for name, value in right.items()},
            "kept": self.kept,
            "limit": self.limit,
        }


def measure_unlike(
    unlike: NDArray[np.bool_], logits: Floats, targets: NDArray[Any], task: Task, kept: int, limit: float
) -> Unlike | None:
    """unlike: bool [N], what was marked; logits: [N, outputs]; targets: as `measure` takes them. Of several labels an
    answer is right where all of it is. None without pictures."""
    if not len(unlike):
        return None
    marked = proportion(int(unlike.sum()), len(unlike))
    if task == "regression":
        return Unlike(marked, None, None, kept, limit)
    _, right = certainties(logits, targets, task, 1.0)
    shares = [proportion(int(right[rows].sum()), int(rows.sum())) for rows in (unlike, ~unlike)]
    return Unlike(marked, shares[0], shares[1], kept, limit)
