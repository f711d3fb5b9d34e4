"""The Pythons of this machine, and which of them suits a repository of a given day."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from lensmith.machine.programs import find_program
from lensmith.machine.tables import load_table
from lensmith.machine.uv import find_uv
from lensmith.provisioning.uv import run_program, run_uv

_LIMIT = 20.0
"""Seconds to list or ask interpreters."""


@dataclass(frozen=True)
class Interpreter:
    """A Python: `version` as "3.10.13" (or "3.10" where it is still to be fetched); path: None where it is."""

    version: str
    path: Path | None = None

    @property
    def minor(self) -> str:
        """ "3.10" of "3.10.13"."""
        return ".".join(self.version.split(".")[:2])

    @property
    def is_here(self) -> bool:
        """Whether it is installed on this machine."""
        return self.path is not None


def read_releases() -> dict[str, Any]:
    """The table of Python's releases as it stands in the package."""
    return load_table(__package__, "pythons")


def find_interpreters() -> list[Interpreter]:
    """The CPythons of this machine, one of each minor version, newest first."""
    found: dict[str, Interpreter] = {}
    for interpreter in (*_pyenv(), *(_by_uv() if find_uv() else _on_path()), *_own()):
        found.setdefault(interpreter.minor, interpreter)
    return sorted(found.values(), key=lambda one: Version(one.version), reverse=True)


def suit(
    installed: Iterable[Interpreter], *, wanted: str, asked: str | None, day: date, most: int = 6
) -> list[Interpreter]:
    """The Pythons to try, best first.

    wanted: the repository's own specifier; asked: the version that the user named; day: when the repository was
    current. Installed ones come first, those nearest to the newest that was settled on that day.
    """
    released: dict[str, str] = read_releases()["released"]
    here = {one.minor: one for one in installed}
    if asked:
        minor = ".".join(asked.split(".")[:2])
        same = here.get(minor)
        fits = same is not None and (asked == minor or same.version == asked)
        return [same if same is not None and fits else Interpreter(asked)]
    admitted = [minor for minor in released if _admits(wanted, minor)]
    settled = day - timedelta(days=read_releases()["settles_after_days"])
    era = max(
        (minor for minor in released if date.fromisoformat(released[minor]) <= settled),
        key=Version,
        default=min(released, key=Version),
    )
    ordered = sorted(admitted, key=lambda minor: _distance(minor, era))
    oldest = Version(read_releases()["fetched_from"])
    near = [here[minor] for minor in ordered if minor in here]
    far = [Interpreter(minor) for minor in ordered if minor not in here and Version(minor) >= oldest]
    return (near + far)[:most]


def released_day(minor: str) -> date | None:
    """The day of the first release of a Python; None where the table does not know it."""
    released = read_releases()["released"].get(minor)
    return date.fromisoformat(released) if released else None


def settled_day(minor: str) -> date | None:
    """The day from which most packages have wheels for this Python; None where the table does not know it."""
    released = released_day(minor)
    return released + timedelta(days=read_releases()["settles_after_days"]) if released else None


def _distance(minor: str, era: str) -> tuple[int, int]:
    """How far from the Python of the time; a newer one is further than an older, for its wheels came later."""
    steps = Version(minor).minor - Version(era).minor
    return (2 * steps if steps > 0 else -steps), steps


def _admits(wanted: str, minor: str) -> bool:
    """Whether some release of this minor version is within the specifier."""
    if not wanted:
        return True
    specifier = SpecifierSet(wanted)
    return any(specifier.contains(f"{minor}.{patch}", prereleases=True) for patch in (0, 99)) or any(
        bound.operator in ("==", "~=", "===")
        and Version(bound.version.removesuffix(".*")).release[:2] == Version(minor).release
        for bound in specifier
    )


def _own() -> list[Interpreter]:
    """The Python under the environment that runs this."""
    base = Path(getattr(sys, "_base_executable", None) or sys.executable)
    version = ".".join(map(str, sys.version_info[:3]))
    return [Interpreter(version, base)] if sys.implementation.name == "cpython" and base.is_file() else []


def _pyenv() -> list[Interpreter]:
    """pyenv's, by their folders: its shims answer by a file in the folder that one stands in."""
    root = os.environ.get("PYENV_ROOT") or Path("~/.pyenv").expanduser()
    found = []
    for folder in sorted(Path(root, "versions").glob("3.*"), reverse=True):
        program = folder / ("python.exe" if os.name == "nt" else "bin/python")
        if re.fullmatch(r"3\.\d+\.\d+", folder.name) and program.is_file():
            found.append(Interpreter(folder.name, program))
    return sorted(found, key=lambda one: Version(one.version), reverse=True)


def _by_uv() -> list[Interpreter]:
    words = ["python", "list", "--only-installed", "--output-format", "json", "--no-python-downloads"]
    answer = run_uv(words, seconds=_LIMIT, network=False)
    try:
        rows = json.loads(answer.out) if answer.ok else []
        return [
            Interpreter(row["version"], Path(row["path"]))
            for row in rows
            if row["implementation"] == "cpython" and row["variant"] == "default" and _is_real(row["path"])
        ]
    except (ValueError, KeyError, TypeError):
        return []


def _on_path() -> list[Interpreter]:
    found = []
    for minor in read_releases()["released"]:
        place = find_program(f"python{minor}")
        if place and _is_real(place):
            words = [place, "-I", "-c", "import platform; print(platform.python_version())"]
            answer = run_program(words, Path(place).parent, seconds=_LIMIT)
            if answer.ok and re.fullmatch(r"3\.\d+\.\d+", answer.out.strip()):
                found.append(Interpreter(answer.out.strip(), Path(place)))
    return found


def _is_real(place: str) -> bool:
    return "shims" not in Path(place).parts
