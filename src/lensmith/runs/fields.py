"""What the fields of a recipe may hold: their names, their words, their types, and how each is written."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import types
import typing
from typing import Any, Literal

from lensmith.errors import UsageError
from lensmith.runs.user_code import is_in_file

AUTO = "auto"
OWN = "own"
"""Stands for an object that was given in Python: a file of words cannot hold it."""

_OTHER_NAMES = {
    "learning_rate": "lr",
    "lr0": "lr",
    "batch": "batch_size",
    "bs": "batch_size",
    "imgsz": "image_size",
    "img_size": "image_size",
    "size": "image_size",
    "opt": "optimizer",
    "wd": "weight_decay",
    "sched": "schedule",
    "smoothing": "label_smoothing",
    "num_epochs": "epochs",
    "color": "colour",
    "color_jitter": "colour",
    "scale": "crop",
    "random_erasing": "cutout",
    "reprob": "cutout",
    "transform": "preprocess",
    "transforms": "preprocess",
    "criterion": "loss",
    "loss_fn": "loss",
}
"""What other tools call a field; for the hint alone."""

_ARTICLE = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}


def require_field(recipe: type, name: str) -> None:
    """Raise `UsageError` with the nearest name where no field is called so."""
    names = [f.name for f in dataclasses.fields(recipe)]
    if name in names:
        return
    near = [_OTHER_NAMES[name]] if name in _OTHER_NAMES else difflib.get_close_matches(name, names, 1, 0.5)
    hint = f"Did you mean {near[0]}?" if near else f"The fields are {', '.join(names)}."
    raise UsageError(f"no recipe field is called '{name}'", hint=hint)


def read_value(recipe: type, name: str, text: str) -> Any:
    """What somebody typed, turned into the field's type."""
    kind = _kind(recipe, name)
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
            raise UsageError(f"{name}={text} is neither true nor false")
        return text.lower() in ("true", "1", "yes", "on")
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{name}={text} is not {_ARTICLE[kind]}") from None


def require_value(recipe: type, name: str, value: Any) -> None:
    """Raise `UsageError` for what the type of a field does not allow; a whole number passes for a fraction."""
    if value is None:
        if type(None) in _options(recipe, name):
            return
        raise UsageError(
            f"{name}={AUTO}: nothing chooses it", hint=f"It is {getattr(recipe, name)} by default."
        )
    kind, words = _kind(recipe, name), _words(recipe, name)
    if words and value not in words and not (str in _options(recipe, name) and _is_own(value)):
        near = difflib.get_close_matches(str(value).lower(), words, n=1)
        raise UsageError(
            f"{name}={value} is not one of {', '.join(words)}",
            hint=f"Did you mean {near[0]}?" if near else "",
        )
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise UsageError(f"{name}={value!r} is not {_ARTICLE[kind]}")


def seconds_of(time: str, name: str = "budget") -> float:
    """`90s`, `2m`, `1h30m` or a bare number of seconds -> seconds. name: of the field that holds it."""
    rest, seconds = time.strip().lower(), 0.0
    try:
        for unit, length in (("h", 3600.0), ("m", 60.0), ("s", 1.0)):
            head, found, tail = rest.partition(unit)
            if found:
                seconds += float(head) * length
                rest = tail
        seconds += float(rest) if rest else 0.0
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UsageError(f"{name}={time} is not a time", hint="Write it like 90s, 2m or 1h30m.")
    return seconds


def _is_own(value: Any) -> bool:
    return isinstance(value, str) and (value == OWN or is_in_file(value))


@functools.cache
def _hints(recipe: type) -> dict[str, Any]:
    return typing.get_type_hints(recipe)


def _options(recipe: type, name: str) -> tuple[Any, ...]:
    """The types that a field may have, None's among them where it can be left to be chosen."""
    hint = _hints(recipe)[name]
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return typing.get_args(hint)
    return (hint,)


def _words(recipe: type, name: str) -> tuple[str, ...]:
    """The words that a field allows, where only some are."""
    literals = (o for o in _options(recipe, name) if typing.get_origin(o) is Literal)
    return next((typing.get_args(one) for one in literals), ())


def _kind(recipe: type, name: str) -> type:
    """The type of a field without its None."""
    if _words(recipe, name):
        return str
    kind: type = next(option for option in _options(recipe, name) if option is not type(None))
    return kind
