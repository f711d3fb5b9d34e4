"""The environment of a run of lensmith, built again from the versions that its files name."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from datetime import date, timedelta
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lensmith
from lensmith.errors import MachineError
from lensmith.machine.facts import read_machine
from lensmith.provisioning.building import Built, build_environment
from lensmith.provisioning.proposing import plan_reproduction
from lensmith.repositories.reading import Reading, Wanted
from lensmith.reproduction.of_run import Recorded

OWN = "lensmith-source"
"""The folder beside the environment that holds this very lensmith."""


def rebuild_environment(recorded: Recorded, out: Path) -> Generator[str, None, Built]:
    """Build what `recorded` was made with in `out/env`, saying in words what it is at.

    The packages that the run names get their versions of then, those behind them versions of its day. lensmith itself
    is copied from here, whatever its version: `differences_here` has said where it is another.

    Raises `MachineError` where versions cannot be had.
    """
    plan = plan_reproduction(_as_reading(recorded), read_machine(), python=recorded.python or None)
    missing = [fault for fault in plan.faults if fault.severity == "error"]
    if missing:
        raise MachineError(f"{recorded.run.path}: {missing[0].detail}", hint=missing[0].cure)
    built = yield from build_environment(plan, out)
    copy_own_package(out / OWN)
    return built


def copy_own_package(into: Path) -> None:
    """Put this lensmith, alone, where a Python of another environment can find it by PYTHONPATH."""
    shutil.rmtree(into, ignore_errors=True)
    source = Path(lensmith.__file__).parent
    shutil.copytree(source, into / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    try:
        metadata = Path(str(distribution("lensmith").locate_file(""))).glob("lensmith-*.dist-info")
    except PackageNotFoundError:
        return
    for folder in metadata:
        shutil.copytree(folder, into / folder.name)


def _as_reading(recorded: Recorded) -> Reading:
    """The run as if it were a repository that pins what the run names."""
    wanted = tuple(
        Wanted(text, recorded.run.facts_file.name, "pip", text) for text in _requirements(recorded)
    )
    # A day later: what was uploaded on the day itself was there.
    day = recorded.day + timedelta(days=1) if recorded.day else date.today()
    return Reading(root=recorded.run.path, date=day, wanted=wanted)


def _requirements(recorded: Recorded) -> Iterator[str]:
    """What the run computed with, each at its version of then; beside it what this lensmith needs to train.

    Not all of `packages`, which the run lists too: there stand what only its system has (CUDA's wheels), what came
    from a file, and what serving needs; of those behind the others the day decides.
    """
    pinned = {
        canonicalize_name(name): version for name, version in recorded.versions.items() if name != "lensmith"
    }
    yield from (f"{name}=={version}" for name, version in pinned.items())
    try:
        needed = [Requirement(line) for line in requires("lensmith") or []]
    except PackageNotFoundError:
        needed = []
    for one in needed:
        is_wanted = one.marker is None or one.marker.evaluate({"extra": "train"})
        if is_wanted and canonicalize_name(one.name) not in (*pinned, "lensmith"):
            yield f"{one.name}{one.specifier}"
