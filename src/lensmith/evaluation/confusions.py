"""What is taken for what: the pairs of classes that a model confuses most often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lensmith.evaluation.intervals import Value, proportion

_MOST = 20
"""Pairs that a person looks through."""


@dataclass(frozen=True)
class Confused:
    """Pictures of one class that were said to be of another, and their share of the class; of several labels, those
    of a label that was missed, or seen in vain."""

    shows: str
    said: str
    count: int
    share: Value

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"shows": self.shows, "said": self.said, "count": self.count, "share": self.share.as_dict()}


def most_confused(classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[Confused]:
    """At most 20 pairs, those of most pictures first, and among them those of the larger share.

    confusion: rows are what pictures show, columns what was said, in the order of `classes`.
    """
    pairs = [
        (count, count / sum(row), i, j)
        for i, row in enumerate(confusion)
        for j, count in enumerate(row)
        if count and i != j
    ]
    pairs.sort(key=lambda pair: (-pair[0], -pair[1]))
    return [
        Confused(classes[i], classes[j], count, proportion(count, sum(confusion[i])))
        for count, _, i, j in pairs[:_MOST]
    ]
