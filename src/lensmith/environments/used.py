"""What a run used, from its own files, and whether this environment is still the one that it used."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from lensmith.environments.installed import Package, installed_tree, read_package
from lensmith.errors import ModelFileError
from lensmith.machine.builds import TORCH_INDEX
from lensmith.runs.directory import RunDirectory

OWN = "lensmith"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_ROOTS = ("lensmith[train,serve,explain]",)


@dataclass(frozen=True)
class Used:
    """Packages with their versions, and the Python under them.

    name: for a file of it; day: on which it was used, `2026-11-25`, empty for now; is_whole: with all that
    the packages need themselves; notes: what could not be told, and why.
    """

    name: str
    python: str
    day: str
    packages: tuple[Package, ...]
    is_whole: bool
    notes: tuple[str, ...] = ()

    @property
    def loadable(self) -> tuple[Package, ...]:
        """Those that can be installed elsewhere."""
        return tuple(one for one in self.packages if not one.obstacle)

    @property
    def indexes(self) -> tuple[str, ...]:
        """Folders of PyTorch's own index that they come from."""
        return tuple(dict.fromkeys(TORCH_INDEX + one.local for one in self.packages if one.local))


def read_used(run: RunDirectory | None) -> Used:
    """What a run used; of None what is installed here.

    Where what the run names is what is installed, all that it needs is told too; else only what it names.
    Errors: ModelFileError for a run whose facts name no versions.
    """
    if run is None:
        roots = (*_ROOTS, *(name for name in ("torch", "torchvision", "torchaudio") if read_package(name)))
        return _whole(OWN, roots, "")
    versions, machine, started = used_facts(run)
    python = str(machine.get("python", ""))
    day = _DAY.match(started)
    name, until = _plain(run.path.resolve().name), day.group() if day else ""
    if not _is_version(python):
        raise ModelFileError(f"{run.facts_file}: {plain(python)!r} is no version of Python")
    changed = _changed(versions, python)
    if not changed:
        return _whole(name, (*_ROOTS, *versions), until)
    named = tuple(_as_named(one, version) for one, version in versions.items())
    note = (
        f"This environment is another one ({', '.join(changed[:3])}), so only what the run names is written."
    )
    return Used(name, python, until, named, False, (note, *_obstacles(named)))


def used_facts(run: RunDirectory) -> tuple[dict[str, str], dict[str, Any], str]:
    """Versions, machine and start, out of a run's facts. Errors: ModelFileError where they name no versions."""
    facts = run.facts()
    versions, machine = (
        (facts.get("versions"), facts.get("machine")) if isinstance(facts, dict) else (None, None)
    )
    if not isinstance(versions, dict) or not versions or not isinstance(machine, dict):
        raise ModelFileError(
            f"{run.facts_file}: names no versions", hint="Only a run of lensmith train tells what it used."
        )
    return {name: str(version) for name, version in versions.items()}, machine, str(facts.get("started", ""))


def plain(value: object) -> str:
    """What a file of somebody says, in one short line that moves no cursor."""
    return "".join(one if one.isprintable() else "?" for one in str(value))[:200]


def _whole(name: str, roots: tuple[str, ...], day: str) -> Used:
    packages = tuple(installed_tree(roots))
    return Used(name, platform.python_version(), day, packages, True, _obstacles(packages))


def _obstacles(packages: tuple[Package, ...]) -> tuple[str, ...]:
    left_out = (f"{one.name} {one.version} is left out: {one.obstacle}." for one in packages if one.obstacle)
    return (*left_out, *(f"{one.name} {one.version}: {one.doubt}." for one in packages if one.doubt))


def _changed(versions: dict[str, str], python: str) -> list[str]:
    """What is not here as the run had it."""
    found = []
    for name, version in versions.items():
        package = read_package(name)
        if package is None or package.version != version:
            found.append(
                f"{plain(name)} {plain(version)} there, {package.version if package else 'none'} here"
            )
    own = platform.python_version()
    return found if python == own else [f"Python {python} there, {own} here", *found]


def _as_named(name: str, version: str) -> Package:
    """A package of a run's facts, which anybody may have written: a file of pins is no place for other lines.

    Whether lensmith is on an index is told by how it came here.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or not _is_version(version):
        return Package(plain(name), plain(version), obstacle="that is no name with a version")
    own = read_package(name) if name == OWN else None
    return Package(canonicalize_name(name), version, obstacle=own.obstacle if own else "")


def _is_version(text: str) -> bool:
    try:
        return bool(Version(text)) and text == text.strip()
    except InvalidVersion:
        return False


def _plain(name: str) -> str:
    """A run's name as the name of an environment."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
