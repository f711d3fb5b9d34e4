"""What a sweep searches: for each field of a recipe a range of numbers, or some values to choose from.

lr=0.001..0.1      numbers between; of a rate, and from a factor of ten on, evenly by their logarithms
batch_size=64|128  one of these
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lensmith.errors import UsageError
from lensmith.runs.fields import AUTO, read_value, require_field
from lensmith.runs.recipe import Recipe
from lensmith.runs.recipe_words import parse_words

BETWEEN, OR = "..", "|"
_BY_LOGARITHM = ("lr", "penalty")
_FACTOR = 10.0
"""Times the lower end, from which on any range is searched by its logarithm."""
_WHICH_PICTURES = (
    *(
        "root",
        "task",
        "group_by",
        "splits",
        "decisions",
        "drop_leaks",
        "val_fraction",
        "test_fraction",
        "folds",
    ),
    *("choice_fraction", "from_run"),
)
_OF_THE_SWEEP = (
    *("seed", "seeds", "budget", "changes", "keep", "store", "device", "threads"),
    *("checkpoint_every", "log_every", "histograms"),
)
_WHY_NOT = {
    **dict.fromkeys(_WHICH_PICTURES, "says which pictures are learned from and measured"),
    **dict.fromkeys(_OF_THE_SWEEP, "is the same for all trials"),
}


@dataclass(frozen=True)
class Span:
    """Numbers from `low` to `high`, both included. by_log: drawn evenly by their logarithm; whole: whole numbers."""

    low: float
    high: float
    by_log: bool
    whole: bool

    def __str__(self) -> str:
        return f"{self.low:g}{BETWEEN}{self.high:g}"


@dataclass(frozen=True)
class Values:
    """One of some values, None standing for what is chosen by the recipe itself."""

    values: tuple[Any, ...]

    def __str__(self) -> str:
        return OR.join(_word(value) for value in self.values)


Axis = Span | Values
Space = Mapping[str, Axis]
"""Field -> what is searched in it."""


_PLACES = ("root", "group_by", "splits", "decisions", "from", "from_run", "weights")
"""Paths and patterns, which may hold any sign."""


def is_searched(word: str) -> bool:
    """Whether `field=...` says what to search, rather than one value."""
    name, _, text = word.partition("=")
    return name not in _PLACES and (OR in text or (BETWEEN in text and ".py:" not in text))


def parse_space(words: Sequence[str]) -> tuple[dict[str, Axis], dict[str, Any]]:
    """`["lr=0.001..0.1", "flip=true|false", "epochs=5"]` -> what is searched, and the fields that stay.

    Raises `UsageError` for an unknown field, a range that is none, and what is given twice.
    """
    fixed = parse_words([word for word in words if not is_searched(word)])
    space: dict[str, Axis] = {}
    for word in filter(is_searched, words):
        name, _, text = word.partition("=")
        if name in space or name in fixed:
            raise UsageError(f"{name} is given twice", hint=f"Keep one of them; one is {word}.")
        space[name] = read_axis(name, text)
    return space, fixed


def read_axis(name: str, text: str) -> Axis:
    """What somebody typed after `name=`. Raises `UsageError`."""
    require_field(Recipe, name)
    if name in _WHY_NOT:
        raise UsageError(
            f"{name}={text}: {name} {_WHY_NOT[name]}, and is not searched", hint=f"Give {name} one value."
        )
    if OR in text:
        return _values(name, text)
    low, _, high = text.partition(BETWEEN)
    example = f"A range is written {name}=LOW..HIGH, values to choose from {name}=A|B."
    try:
        ends = read_value(Recipe, name, low), read_value(Recipe, name, high)
    except UsageError as error:
        raise UsageError(f"{name}={text} is no range: {error.message}", hint=example) from None
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends):
        raise UsageError(f"{name}={text} is no range: {name} is not a number", hint=example)
    if not ends[0] < ends[1]:
        raise UsageError(f"{name}={text} is no range: {ends[0]:g} is not below {ends[1]:g}", hint=example)
    for end in ends:
        Recipe().changed(**{name: end})
    return _span(name, *ends)


def _span(name: str, low: float, high: float) -> Span:
    by_log = low > 0 and (name in _BY_LOGARITHM or high / low >= _FACTOR)
    return Span(low, high, by_log, isinstance(low, int))


def _values(name: str, text: str) -> Values:
    found: list[Any] = []
    for part in text.split(OR):
        value = None if part == AUTO else read_value(Recipe, name, part)
        Recipe().changed(**{name: value})
        if value in found:
            raise UsageError(f"{name}={text} names {part} twice")
        found.append(value)
    return Values(tuple(found))


def given_axes(fields: Mapping[str, Any]) -> tuple[dict[str, Axis], dict[str, Any]]:
    """As `parse_space`, of keywords in Python: "0.001..0.1" and lists are searched, everything else stays."""
    space: dict[str, Axis] = {}
    fixed: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, list):
            space[name] = read_axis(name, OR.join(map(_word, value)))
        elif isinstance(value, str) and is_searched(f"{name}={value}"):
            space[name] = read_axis(name, value)
        else:
            fixed[name] = value
    return space, fixed


def words_of(space: Space) -> dict[str, str]:
    """Field -> its words, as `read_axis` reads them."""
    return {name: str(axis) for name, axis in space.items()}


def axis_facts(axis: Axis) -> dict[str, Any]:
    """The JSON form, for a drawing."""
    if isinstance(axis, Span):
        return {"low": axis.low, "high": axis.high, "by_log": axis.by_log}
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in axis.values)
    return {"values": sorted(axis.values) if numbers else list(axis.values)}


def shown(space: Space) -> str:
    """The space in one line."""
    return " ".join(f"{name}={axis}" for name, axis in space.items())


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """In which fields two spaces in words differ, for a message; "" where they are the same."""
    parts = [
        f"{name} is {one.get(name, 'not searched')} there and {other.get(name, 'not searched')} here"
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    ]
    return "; ".join(parts)


def _word(value: Any) -> str:
    if value is None:
        return AUTO
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return str(value)
