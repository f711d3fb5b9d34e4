"""Figures that a program prints: the last value of each metric, and on how many pictures."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lensmith.repositories.metrics import Metric, metric_called, spelling
from lensmith.reproduction.output import printable

LONGEST = 2000
"""Characters of a line that are looked at."""
_SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "eval": "val",
    "evaluation": "val",
    "dev": "val",
}
_RANK = ("train", "", "val", "test")
"""What is believed to be the figure of a paper: the later the better."""
_SPLIT = re.compile(rf"(?<![a-z])({'|'.join(_SPLITS)})(?![a-z])")
_NUMBER = r"(?:(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:\.\d{1,40})?(?:e[-+]?\d{1,2})?|\.\d{1,40})(?!\d)"
_REPORT = re.compile(r"^\s*accuracy\s+([01]\.\d+)\s+(\d+)\s*$")
"""The line of scikit-learn's classification_report."""
_OF_PICTURES = re.compile(
    r"(?:on|over|of|from) (?:the |all )?(\d[\d,]*) (?:\w+ )?(?:images|pictures|samples|examples)"
)
_AFTER = re.compile(
    r"(?P<percent>\s*%)?\s*"
    r"(?:/\s*(?P<of>\d+)(?:\s*\(\s*(?P<share>\d+(?:\.\d+)?)\s*%\s*\))?"
    r"|\(\s*(?P<right>\d+)\s*/\s*(?P<count>\d+)\s*\)"
    r"|\(\s*(?P<average>\d+\.\d+)\s*\)"
    r"|\(\s*n\s*=\s*(?P<n>\d[\d,]*)\s*\))?"
)


@dataclass(frozen=True)
class Figure:
    """A figure that a program printed. value: 0 to 1 for shares, error rates turned into accuracies; half: half a
    unit of the last digit printed; count: pictures, where the line says; split: train, val, test or ""; is_best: the
    line calls it the best of several, which then was chosen on the pictures that it is about."""

    metric: str
    value: float
    half: float
    count: int | None
    split: str
    line: int
    text: str
    is_best: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return dict(vars(self))


@dataclass(frozen=True)
class _Printed:
    metric: Metric
    value: float
    half: float
    percent: bool
    count: int | None
    split: str
    line: int
    text: str
    best: bool = False


class FigureReader:
    """Reads what a program prints as it comes; keeps the last value of each metric for each split.

    Whether 0.9 is 90 % or 0.9 % shows in the other values of that metric: one above 1 makes all of them per cent.
    """

    def __init__(self) -> None:
        self._rest, self._line = "", 0
        self._columns: dict[int, tuple[Metric, str]] = {}
        self._width, self._split = 0, ""
        self._last: dict[tuple[str, str, bool], _Printed] = {}
        self._largest: dict[tuple[str, bool], float] = {}

    def feed(self, text: str) -> None:
        """Take the next piece of output; it may end within a line."""
        *lines, rest = re.split(r"\r\n|\n|\r", self._rest + text)
        for line in lines:
            self._take(line)
        self._rest = rest[:LONGEST]

    def figures(self) -> list[Figure]:
        """What was found, what most likely is a paper's figure first: of test before val before train."""
        if self._rest:
            self._take(self._rest)
            self._rest = ""
        found = [one for one in map(self._scaled, self._last.values()) if one is not None]
        return sorted(found, key=lambda one: (-_RANK.index(one.split), -one.line))

    def _take(self, line: str) -> None:
        self._line += 1
        text = printable(line[:LONGEST]).strip()
        taken = set()
        for one in self._found(text):
            key = (one.metric.name, one.metric.complement)
            whole = (one.metric.name, one.split, one.metric.complement)
            if whole in taken:
                continue  # "acc 93.1 (best acc 94.2)"
            taken.add(whole)
            self._last[whole] = one
            if not one.percent:
                self._largest[key] = max(self._largest.get(key, 0.0), one.value)

    def _found(self, text: str) -> Iterator[_Printed]:
        report = _REPORT.match(text)
        metric = metric_called("accuracy")
        if report and metric:
            value, half = _number(report[1])
            yield _Printed(metric, value, half, False, int(report[2]), "test", self._line, text)
            return
        yield from self._row(text)
        low, start = text.lower(), 0
        while match := _labels().search(low, start):
            start = match.end("word")
            printed = self._labelled(low, match, text)
            if printed:
                yield printed

    def _labelled(self, low: str, match: re.Match[str], text: str) -> _Printed | None:
        """A metric's name with a number after it."""
        metric, after = metric_called(match["word"]), _AFTER.match(low, match.end("number"))
        if metric is None or after is None:
            return None
        split = _split_of(low[: match.start("number")])
        # In the loop of PyTorch's ImageNet example a star begins the summary of the lines above it.
        split = split or (self._split if text.startswith("*") else "")
        self._split = split
        percent = bool(after["percent"]) or "%" in match["gap"]
        if metric.complement and not (split or percent or re.search(r"rate|1", match["word"])):
            return None  # "error 2" and its like
        if after["of"]:
            return self._counted(metric, match["number"], int(after["of"]), split, text)
        value, half = _number(match["number"])
        average, _ = _number(after["average"] or match["number"])
        # "78.91 ( 77.34)" is followed by its mean so far, "76.13 (23.87)" by its error.
        value = value if abs(value + average - 100) <= 4 * half else average
        around = match["gap"] + low[after.end() : after.end() + 60]
        count = _count_beside(value, half, after, around)
        best = re.search(r"(?<![a-z])best(?![a-z])", low[: match.start("number")]) is not None
        return _Printed(metric, value, half, percent, count, split, self._line, text, best)

    def _counted(self, metric: Metric, right: str, of: int, split: str, text: str) -> _Printed | None:
        """`9912/10000`: the right ones, or of errors the wrong ones, among all."""
        if not right.isdigit() or not 0 < of >= int(right):
            return None
        return _Printed(metric, int(right) / of, 0.0, False, of, split, self._line, text)

    def _row(self, text: str) -> Iterator[_Printed]:
        """A line of a table: its head is remembered, its rows are read by it."""
        cells = _cells(text)
        if len(cells) < 2:
            if text.strip("-=+| "):
                self._columns = {}
            return
        if not any(_is_number(cell) for cell in cells):
            named = {at: metric_called(cell) for at, cell in enumerate(cells)}
            if text.strip("-=+:| "):
                self._columns = {at: (one, _split_of(cells[at].lower())) for at, one in named.items() if one}
                self._width = len(cells)
            return
        if len(cells) != self._width:
            return
        for at, (metric, split) in self._columns.items():
            if _is_number(cells[at]):
                value, half = _number(cells[at].rstrip("% "))
                percent = cells[at].endswith("%")
                yield _Printed(metric, value, half, percent, None, split, self._line, text)

    def _scaled(self, one: _Printed) -> Figure | None:
        value, half, metric = one.value, one.half, one.metric
        in_percent = one.percent or self._largest.get((metric.name, metric.complement), 0.0) > 1
        if metric.scale != "number" and in_percent and not (one.count and half == 0):
            value, half = value / 100, half / 100
        if metric.scale != "number" and value > 1:
            return None  # no share of anything
        value = 1 - value if metric.complement else value
        return Figure(metric.name, value, half, one.count, one.split, one.line, one.text[:200], one.best)


@functools.cache
def _labels() -> re.Pattern[str]:
    gap = (
        r"""["'\])]*\s*(?:\([^()0-9]{0,20}\))?\s*(?:score|rate|value)?"""
        r"""(?:\s*(?:of|on|over)\s[^:=\d][^:=]{1,60})?(?:\s*(?:at|after|\(|@)?\s*epoch\s*\d+\)?)?"""
        r"""["'\])]*\s*(?:is|was|of|:|=|->|=>|[|│┃])?\s*(?:is\s|tensor\(|np\.float\d+\()?\s*"""
    )
    word = rf"(?<![a-z])(?P<word>{spelling()})(?![a-z0-9@])"
    return re.compile(rf"{word}(?P<gap>{gap})(?P<number>{_NUMBER})(?![\d.]*[a-z_])")


def _split_of(before: str) -> str:
    """The split that a label belongs to: the word nearest before its number."""
    words = _SPLIT.findall(before)
    return _SPLITS[words[-1]] if words else ""


def _number(text: str) -> tuple[float, float]:
    """A number and half a unit of its last digit."""
    plain = text.replace(",", "")
    mantissa, _, exponent = plain.partition("e")
    decimals = len(mantissa.partition(".")[2])
    return float(plain), 0.5 * 10.0 ** (int(exponent or 0) - decimals)


def _is_number(cell: str) -> bool:
    return re.fullmatch(rf"(?:{_NUMBER})\s*%?", cell.lower()) is not None


def _count_beside(value: float, half: float, after: re.Match[str], around: str) -> int | None:
    """How many pictures a figure is of, where its line says. `93.020% (9302/10000)` is a count; `0.93 (12/391)`
    is how far an epoch has come."""
    if after["right"]:
        of = int(after["count"])
        share = int(after["right"]) / of if of else -1.0
        return of if min(abs(share - value), abs(share - value / 100)) <= half + 1e-9 else None
    pictures = _OF_PICTURES.search(around)
    said = pictures[1] if pictures else after["n"]
    return int(said.replace(",", "")) if said else None


def _cells(text: str) -> list[str]:
    for mark in ("|", "│", "\t", ","):
        if mark in text:
            return [cell.strip() for cell in text.strip(mark).split(mark)]
    return re.split(r"\s{2,}", text.strip())
