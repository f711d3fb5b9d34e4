"""In what two runs differ: their recipes, their data, their machines, their versions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from lensmith.errors import LensmithError
from lensmith.runs.directory import RunDirectory

_OF_NO_ACCOUNT = ("changes",)
"""Recipe fields that say how a run went, not how it was meant."""
_SHOWN = 12
"""Digits of a sha256 that are shown."""

Traits = dict[str, dict[str, Any]]
"""What may set runs apart, by its part: recipe, data, machine, versions. JSON."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """Something that is not the same in all runs: of a part of their traits. values: in their order."""

    part: str
    name: str
    values: tuple[Any, ...]

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return f"{self.name}: {', '.join(shown(value) for value in self.values)}"


def differences(runs: list[RunDirectory]) -> list[Difference]:
    """What is not the same in all runs. What a run does not say, since its files are gone, is None."""
    return apart([traits(run) for run in runs])


def apart(told: Sequence[Traits]) -> list[Difference]:
    """What is not the same in all of them."""
    found = []
    for part in dict.fromkeys(part for one in told for part in one):
        tables = [one.get(part, {}) for one in told]
        for name in dict.fromkeys(name for table in tables for name in table):
            values = tuple(table.get(name) for table in tables)
            if any(value != values[0] for value in values):
                found.append(Difference(part, name, values))
    return found


def traits(run: RunDirectory) -> Traits:
    """What a run's files say of it; a part is empty where they do not."""
    facts = _facts(run)
    return {
        "recipe": _recipe(run),
        "data": _data(facts.get("data", {})),
        "files": facts.get("files", {}),
        "machine": facts.get("machine", {}),
        "versions": facts.get("versions", {}),
    }


def _recipe(run: RunDirectory) -> dict[str, Any]:
    try:
        fields = dataclasses.asdict(run.recipe())
    except (LensmithError, OSError):
        return {}
    return {name: value for name, value in fields.items() if name not in _OF_NO_ACCOUNT}


def _data(data: dict[str, Any]) -> dict[str, Any]:
    counts = {
        f"{name} pictures": part["count"]
        for name, part in data.items()
        if isinstance(part, dict) and "count" in part
    }
    prints = {f"{name} fingerprint": value for name, value in data.get("fingerprints", {}).items()}
    return {name: data[name] for name in ("source", "split", "classes") if name in data} | counts | prints


def _facts(run: RunDirectory) -> dict[str, Any]:
    try:
        return run.facts()
    except (LensmithError, OSError):
        return {}


def shown(value: Any) -> str:
    """A value in words; of a sha256 its beginning."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, str) and len(value) == 64 and value.isalnum():
        return value[:_SHOWN]
    return f"{value:g}" if isinstance(value, float) else str(value)
