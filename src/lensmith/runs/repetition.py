"""A run that was started from another run's recipe: are its weights equal, and if not, what differs?"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

from lensmith.errors import LensmithError
from lensmith.runs.differences import Difference, apart, shown, traits
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import read_json, sha256_of
from lensmith.runs.recipe import Recipe
from lensmith.runs.user_code import is_in_file

_WITHOUT_EFFECT = (
    *("store", "log_every", "histograms", "checkpoint_every", "root", "seeds", "budget", "source", "split"),
    *("allocator", "cores", "platform", "lensmith"),
)
"""What differs without changing a weight; told only where nothing else does."""
_MOST = 6
"""Differences that are told in one line."""


def run_of_recipe(word: str | Path) -> RunDirectory | None:
    """The run that a recipe file belongs to; None for a recipe by name, or a file of its own."""
    file = Path(word)
    run = RunDirectory(file.parent)
    return run if file.name == run.recipe_file.name and run.facts_file.is_file() else None


def remember(run: RunDirectory) -> dict[str, Any]:
    """What will be compared, as it is now: the run may be gone when its repetition is done. JSON."""
    return {"run": str(run.path), "weights": _weights(run), "figure": _figure(run), **traits(run)}


def compare_with(before: dict[str, Any], run: RunDirectory) -> dict[str, Any]:
    """How the finished run compares with what was remembered. JSON: equal (None where there are no weights to
    compare with), figure before and after, differences, and a verdict of one sentence."""
    now = remember(run)
    parts = [part for part in now if isinstance(now[part], dict) and part != "figure"]
    found = apart([{part: one.get(part, {}) for part in parts} for one in (before, now)])
    equal = before["weights"] == now["weights"] if before["weights"] and now["weights"] else None
    answers = _answers(RunDirectory(Path(before["run"])), run)
    return {
        "equal": equal,
        "answers": answers,
        "differences": [one.as_dict() for one in found],
        "verdict": _verdict(before, now, equal, found, answers),
    }


def named_files(recipe: Recipe) -> dict[str, str]:
    """sha256 of each file that a recipe names and that is there: the user's own code, first weights."""
    words = [
        word for word in dataclasses.asdict(recipe).values() if isinstance(word, str) and is_in_file(word)
    ]
    found = {}
    for name in (*(word.rpartition(":")[0] for word in words), recipe.weights):
        if name:
            with contextlib.suppress(OSError):
                found[name] = sha256_of(Path(name))
    return found


def _verdict(
    before: dict[str, Any],
    now: dict[str, Any],
    equal: bool | None,
    found: list[Difference],
    answers: dict[str, int],
) -> str:
    name = before["run"]
    if equal is None:
        return f"not comparable with {name}: it has no weights"
    causes = [one for one in found if one.name not in _WITHOUT_EFFECT]
    if equal:
        though = f", though {_told(causes)}" if causes else ""
        return f"repeats {name}: equal weights (sha256 {shown(now['weights'])}){though}"
    why = _told(causes or found) or (
        "nothing that is known differs; on this device some operations of torch do not round the same way twice"
    )
    return f"not equal to {name}: {why}{_figures(before, now, answers)}"


def _told(found: list[Difference]) -> str:
    words = [f"{one.name} {' -> '.join(shown(value) for value in one.values)}" for one in found[:_MOST]]
    more = len(found) - len(words)
    return ", ".join(words) + (f", and {more} more in facts.json" if more else "")


def _figures(before: dict[str, Any], now: dict[str, Any], answers: dict[str, int]) -> str:
    words = ""
    for name, value in now["figure"].items():
        if name in before["figure"]:
            words = f"; {name.replace('_', ' ')} {shown(before['figure'][name])} -> {shown(value)}"
    if answers:
        words += f", {answers['other']:,} of {answers['count']:,} answers differ"
    return words


def _weights(run: RunDirectory) -> str | None:
    with contextlib.suppress(OSError):
        return sha256_of(run.model / "weights.safetensors")
    return None


def _figure(run: RunDirectory) -> dict[str, float]:
    """The figure that matters first, by its name."""
    try:
        report = read_json(run.report_file)
    except LensmithError:
        return {}
    found = ((name, one["value"]) for name, one in report.items() if isinstance(one, dict) and "value" in one)
    first = next(found, None)
    return {} if first is None else {first[0]: first[1]}


def _answers(before: RunDirectory, now: RunDirectory) -> dict[str, int]:
    """Pictures that both were measured on, and those of them on which they answer otherwise; of numbers, nothing."""
    from lensmith.runs.predictions import read_predictions

    try:
        one, other = (read_predictions(run.predictions_file) for run in (before, now))
    except LensmithError:
        return {}
    if one.logits.shape[1:] != other.logits.shape[1:] or one.logits.shape[1] < 2:
        return {}
    there = dict(zip(one.ids.tolist(), one.logits, strict=True))
    pairs = [
        (there[name], row)
        for name, row in zip(other.ids.tolist(), other.logits, strict=True)
        if name in there
    ]
    several = one.targets.ndim > 1
    differ = sum(
        bool(((a >= 0) != (b >= 0)).any()) if several else bool(a.argmax() != b.argmax()) for a, b in pairs
    )
    return {"count": len(pairs), "other": differ}
