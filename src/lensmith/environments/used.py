"""What a run used, from its own files, and whether this environment is still the one that it used."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from typing import Any

from lensmith.environments.installed import Package, installed_tree, read_package
from lensmith.environments.recorded import (
    OWN,
    ROOTS,
    as_recorded,
    is_plain_version,
    plain,
    recorded_packages,
)
from lensmith.errors import ModelFileError
from lensmith.machine.builds import TORCH_INDEX
from lensmith.runs.directory import RunDirectory

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


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

    Where this environment is still the run's, it is told with the systems that need each package; else as the
    run wrote it down. Errors: ModelFileError for a run whose facts name no versions.
    """
    if run is None:
        roots = (*ROOTS, *(name for name in ("torch", "torchvision", "torchaudio") if read_package(name)))
        return _whole(OWN, installed_tree(roots), "")
    versions, machine, started = used_facts(run)
    recorded = recorded_packages(run.facts())
    python = str(machine.get("python", ""))
    day = _DAY.match(started)
    name, until = _plain(run.path.resolve().name), day.group() if day else ""
    if not is_plain_version(python):
        raise ModelFileError(f"{run.facts_file}: {plain(python)!r} is no version of Python")
    changed = _changed(versions | {name: one.version for name, one in recorded.items()}, python)
    if not changed:
        tree = installed_tree((*ROOTS, *versions))
        return _whole(name, [one for one in tree if one.name in recorded or not recorded], until)
    named = tuple(recorded.values() or (as_recorded(one, version) for one, version in versions.items()))
    note = f"This environment is another one ({', '.join(changed[:3])}), so "
    note += (
        f"it is told as the run wrote it down on {plain(machine.get('platform', 'its system'))}, with what only"
        " such a system needs."
        if recorded
        else "only what the run names is written."
    )
    return Used(name, python, until, named, bool(recorded), (note, *_obstacles(named)))


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


def _whole(name: str, tree: list[Package], day: str) -> Used:
    packages = tuple(tree)
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


def _plain(name: str) -> str:
    """A run's name as the name of an environment."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
