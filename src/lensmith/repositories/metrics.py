"""What figures are called, and how many pictures the known test sets hold."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

from lensmith.repositories.tables import table

Scale = Literal["pictures", "share", "number"]

_BESIDE = re.compile(
    r"(?<![a-z])(?:test|testing|val|valid|validation|eval|evaluation|dev|train|training|best|final|overall)(?![a-z])"
)
"""Words beside a metric's name that make it no other metric."""


@dataclass(frozen=True)
class Metric:
    """A figure that repositories report. scale: a share of the test pictures, which has an interval once their
    number is known; another share; or a number of any size. complement: it counts what goes wrong, so that
    `error 5.2 %` is an accuracy of 94.8 %."""

    name: str
    scale: Scale
    complement: bool = False


@functools.cache
def metrics() -> dict[str, Metric]:
    """The metrics by each of their spellings, in lower case."""
    return {
        word: Metric(row["name"], row["scale"], row.get("complement", False))
        for row in table("metrics")["metrics"]
        for word in row["also"]
    }


@functools.cache
def spelling() -> str:
    """A regular expression for any spelling, the longest first."""
    words = sorted(metrics(), key=len, reverse=True)
    return "|".join(re.escape(word).replace("\\ ", "[ _-]") for word in words)


def metric_called(word: str) -> Metric | None:
    """The metric of that name, in whatever spelling: `Acc@1`, `test accuracy (%)`, `top_1`."""
    word = re.sub(r"\([^)]*\)|[%*:]|\.(?!\d)", " ", word.lower())
    word = re.sub(r"\s+", " ", _BESIDE.sub(" ", word)).strip(" _-")
    known = metrics()
    plain = word.replace("_", " ").replace("-", " ")
    return known.get(word) or known.get(plain) or known.get(plain.replace(" ", ""))


def known_test_set(text: str) -> tuple[str, int] | None:
    """The one known test set that a text names, and its size; None where it names none, or several."""
    low, found = text.lower(), {}
    names = [(word, row) for row in table("metrics")["test_sets"] for word in row["also"]]
    for word, row in sorted(names, key=lambda one: len(one[0]), reverse=True):
        pattern = rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])"
        if re.search(pattern, low):
            found[row["name"]] = row["count"]
            low = re.sub(pattern, " ", low)  # so that tiny-imagenet is not imagenet too
    [(name, count), *others] = found.items() or [("", None)]
    return None if others or count is None else (name, count)
