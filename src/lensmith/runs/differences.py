"""In what two runs differ: their recipes, their data, their versions."""

from __future__ import annotations

import dataclasses
from typing import Any

from lensmith.errors import LensmithError
from lensmith.runs.directory import RunDirectory

_OF_NO_ACCOUNT = ("changes",)
"""Recipe fields that say how a run went, not how it was meant."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """Something that is not the same in all runs: of the recipe, the data or the versions. values: in their order."""

    part: str
    name: str
    values: tuple[Any, ...]

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return f"{self.name}: {', '.join('-' if value is None else _words(value) for value in self.values)}"


def differences(runs: list[RunDirectory]) -> list[Difference]:
    """What is not the same in all runs. What a run does not say, since its files are gone, is None."""
    parts = {"recipe": _recipe, "data": _data, "versions": _versions}
    found = []
    for part, read in parts.items():
        tables = [read(run) for run in runs]
        for name in dict.fromkeys(name for table in tables for name in table):
            values = tuple(table.get(name) for table in tables)
            if any(value != values[0] for value in values):
                found.append(Difference(part, name, values))
    return found


def _recipe(run: RunDirectory) -> dict[str, Any]:
    try:
        fields = dataclasses.asdict(run.recipe())
    except (LensmithError, OSError):
        return {}
    return {name: value for name, value in fields.items() if name not in _OF_NO_ACCOUNT}


def _data(run: RunDirectory) -> dict[str, Any]:
    data = _facts(run).get("data", {})
    counts = {
        f"{name} pictures": part["count"]
        for name, part in data.items()
        if isinstance(part, dict) and "count" in part
    }
    return {name: data[name] for name in ("source", "split", "classes") if name in data} | counts


def _versions(run: RunDirectory) -> dict[str, Any]:
    versions: dict[str, Any] = _facts(run).get("versions", {})
    return versions


def _facts(run: RunDirectory) -> dict[str, Any]:
    try:
        return run.facts()
    except (LensmithError, OSError):
        return {}


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)
