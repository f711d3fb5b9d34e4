"""Where packages may go: the environment at hand, or a new one where that is the system's or conda's own."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lensmith.diagnosis.quoting import Command
from lensmith.machine.builds import read_table
from lensmith.machine.facts import Machine

Tool = Literal["pip", "uv", "pixi"]
_NAME = "lensmith"
_PLACE = ".venv"
_CONDAS = ("conda", "mamba", "micromamba")


@dataclass(frozen=True)
class Home:
    """The environment that packages go into.

    python: its interpreter; tool: what installs there; reason: why it is another than the one at hand, else empty;
    make: the commands that make it, where it is not there yet; enter: the lines that make a shell use it.
    """

    python: str
    tool: Tool
    reason: str = ""
    make: tuple[Command, ...] = ()
    enter: tuple[Command, ...] = ()
    folder: str = ""

    def pixi(self, verb: str) -> Command:
        """The beginning of a pixi command about this environment's project."""
        return ("pixi", verb, *(("--manifest-path", self.folder) if self.folder else ()))


def home_of(machine: Machine) -> Home:
    """Where packages for this machine's Python may go."""
    managers = machine.managers
    if managers.is_base or managers.is_closed:
        home = _beside_base(machine) if managers.is_base else _beside_system(machine)
        # conda would make it again, and delete it for that.
        return replace(home, make=()) if _is_here(machine) and Path(home.python).exists() else home
    if managers.made_by == "pixi" and "pixi" in managers.here:
        project = re.split(r"[\\/]\.pixi[\\/]", machine.prefix)[0]
        return Home(machine.executable, "pixi", folder=project if project != machine.prefix else "")
    return Home(machine.executable, "uv" if machine.installer == "uv" else "pip")


def find_conda(machine: Machine) -> str:
    """What runs conda's commands here, the one of a conda that the shell does not know included; or empty."""
    if known := next((name for name in _CONDAS if name in machine.managers.here), ""):
        return known
    root = machine.managers.conda_script.replace("\\", "/").removesuffix("/etc/profile.d/conda.sh")
    return f"{root}/bin/conda" if root else ""


def know_conda(machine: Machine) -> tuple[Command, ...]:
    """The lines that make `conda` known to a shell that answers "conda: command not found"; empty where it is.

    The first two are for this shell, the third is for every new one.
    """
    script = machine.managers.conda_script
    if not script or any(name in machine.managers.here for name in _CONDAS):
        return ()
    at_hand = machine.managers.made_by == "conda" and re.search(r"[\\/]envs[\\/]([^\\/]+)$", machine.prefix)
    return (
        ("source", script),
        ("conda", "activate", at_hand[1] if at_hand else "base"),
        (find_conda(machine), "init"),
    )


def _beside_base(machine: Machine) -> Home:
    root, windows = machine.prefix, machine.platform.startswith("win")
    folder = f"{root}\\envs\\{_NAME}" if windows else f"{root}/envs/{_NAME}"
    if _is_here(machine) and not os.access(root, os.W_OK):
        # A conda that belongs to somebody else: its second place for environments, which it finds by name too.
        folder = str(Path(os.path.expanduser("~"), ".conda", "envs", _NAME))  # noqa: PTH111
    own = f"{root}\\Scripts\\conda.exe" if windows else f"{root}/bin/conda"
    conda = next((name for name in _CONDAS if name in machine.managers.here), own)
    return Home(
        python=f"{folder}\\python.exe" if windows else f"{folder}/bin/python",
        tool="pip",
        reason="this is conda's base environment, and what goes wrong in it takes conda itself along",
        make=((conda, "create", "-y", "-p", folder, f"python={_python()}", "pip"),),
        enter=(("conda", "activate", _NAME),),
    )


def _beside_system(machine: Machine) -> Home:
    windows = machine.platform.startswith("win")
    python = f"{_PLACE}\\Scripts\\python.exe" if windows else f"{_PLACE}/bin/python"
    uv = "uv" in machine.managers.here
    enter = (f"{_PLACE}\\Scripts\\activate",) if windows else ("source", f"{_PLACE}/bin/activate")
    return Home(
        python=python,
        tool="uv" if uv else "pip",
        reason="this is the system's own Python, which refuses packages from pip (PEP 668)",
        make=(
            ("uv", "venv", "--allow-existing", "--python", machine.executable, _PLACE)
            if uv
            else (machine.executable, "-m", "venv", _PLACE),
        ),
        enter=(enter,),
    )


def _is_here(machine: Machine) -> bool:
    """Whether it is the machine that runs this, and not one that was written down."""
    return machine.executable == sys.executable


def _python() -> str:
    """The last Python but one: packages for the last are still missing here and there."""
    pythons: list[str] = read_table()["pythons"]
    return pythons[-2]
