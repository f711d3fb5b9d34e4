"""Checks of the Python itself: its version, what installs packages into it, and what hides them from it."""

from __future__ import annotations

from packaging.version import Version

from lensmith.diagnosis.cures import ensure_pip
from lensmith.diagnosis.finding import Finding
from lensmith.diagnosis.homes import find_conda, home_of, know_conda
from lensmith.machine.builds import read_table
from lensmith.machine.facts import Copy, Machine


def check_python(machine: Machine) -> Finding | None:
    """A Python that is too old, or newer than any that torch was built for."""
    if not machine.python:
        return None
    version = Version(machine.python)
    pythons = [Version(python) for python in read_table()["pythons"]]
    if version < pythons[0]:
        words = f"Python {machine.python} is too old: lensmith needs {pythons[0]} or later"
        cure = f"Install Python {pythons[-2]} and make a new environment with it."
        return Finding("python", "error", words, cure)
    if Version(f"{version.major}.{version.minor}") > pythons[-1] and machine.torch is None:
        words = (
            f"Python {machine.python} is newer than any that torch was built for on {read_table()['date']}"
        )
        return Finding("python", "warning", words, f"If torch cannot be installed, use Python {pythons[-1]}.")
    return Finding("python", "info", f"Python {machine.python}")


def check_installer(machine: Machine) -> Finding | None:
    """Nothing that installs packages."""
    home = home_of(machine)
    if home.reason or home.tool == "pixi" or machine.installer:
        return None
    words = "this Python has neither pip nor uv"
    return Finding("pip", "warning", words, "Install pip:", (ensure_pip(machine),))


def check_conda(machine: Machine) -> Finding | None:
    """A conda that is installed, and that a shell does not know: "conda: command not found"."""
    lines = know_conda(machine)
    if not lines:
        return None
    words = f"conda is installed ({find_conda(machine)}), and this shell does not know it"
    cure = "If you want it: the first two lines for this shell; the third for every new one."
    return Finding("conda", "info", words, cure, lines)


def check_shadows(machine: Machine) -> Finding | None:
    """A file or folder that an import finds in the place of a package."""
    shadows = machine.surroundings.shadows
    if not shadows:
        return None
    hidden = sorted({_module(path) for path in shadows})
    words = f"{', '.join(shadows)}: `import {hidden[0]}` from here finds this, and not the package"
    return Finding(
        "shadow", "warning", words, "Rename it, remove its __pycache__, or work in another folder."
    )


def _module(path: str) -> str:
    return path.removesuffix("/__init__.py").removesuffix(".py").rpartition("/")[2]


def check_copies(machine: Machine) -> Finding | None:
    """Two installations of torch, of which one hides or half overwrites the other."""
    copies = machine.copies
    if len(copies) > 1:
        first, second = copies[0], copies[1]
        words = f"torch is installed twice: {_told(first)} and {_told(second)}"
        if ".local" in first.folder and first.folder != second.folder:
            words += "; the first, in the user's own folder, hides the other"
            cure = f"Set PYTHONNOUSERSITE=1, or remove it: {machine.executable} -m pip uninstall torch torchvision"
            return Finding("copies", "warning", words, cure)
        cure = "Remove both (uninstall until pip says that none is installed), then install one."
        return Finding("copies", "warning", words, cure)
    conda = machine.conda_build.removesuffix(".json")
    if conda and copies and conda.split("-")[1] != copies[0].version.partition("+")[0]:
        words = (
            f"conda ({conda}) and {copies[0].installer or 'pip'} ({copies[0].version}) both installed torch"
        )
        cure = (
            "One overwrites the other's files. Keep one: `conda remove pytorch torchvision` and"
            f" `{machine.executable} -m pip uninstall torch torchvision`, then install it again."
        )
        return Finding("copies", "warning", words, cure)
    return None


def _told(copy: Copy) -> str:
    by = f" by {copy.installer}" if copy.installer else ""
    return f"{copy.version} in {copy.folder}{by}"
