"""The commands that mend a machine, as they can be run and as they can be pasted."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable

from lensmith.machine.builds import Build, builds_for, find_build, torchvision_for
from lensmith.machine.facts import Machine

Command = tuple[str, ...]
TRAIN = "lensmith[train]"
# Only for builds that the default package index does not carry.
_TORCH_INDEX = "https://download.pytorch.org/whl/"


def paste(command: Command) -> str:
    """The command as one line that a shell takes: POSIX quoting, double quotes on Windows."""
    if os.name == "posix":
        return shlex.join(command)
    return " ".join(word if re.fullmatch(r"[\w.:\\/=+-]+", word) else f'"{word}"' for word in command)


def install(machine: Machine, *requirements: str, index: str = "") -> Command:
    """Install `requirements`, where `index` is `cu126` or its like from PyTorch's own wheels."""
    source = ("--index-url", _TORCH_INDEX + index) if index else ()
    return (*_installer(machine, "install"), *requirements, *source)


def gpu_build(machine: Machine) -> Build | None:
    """The build that this machine's driver serves and its GPUs run; None where there is none."""
    if machine.nvidia.driver is None:
        return None
    capabilities = [gpu.capability for gpu in machine.nvidia.gpus if gpu.capability]
    return find_build(machine.platform, machine.nvidia.driver, capabilities)


def first_install(machine: Machine) -> tuple[Command, ...]:
    """What brings torch to a machine that has none: the plain command wherever the default build fits."""
    build = gpu_build(machine)
    if build is None or build in builds_for(machine.platform)[:1]:
        return (install(machine, TRAIN),)
    # First the pair: the extra then finds it installed and leaves it alone.
    return install(machine, *build.requirements, index=build.index), install(machine, TRAIN)


def replace_pair(machine: Machine, build: Build | None) -> tuple[Command, ...]:
    """Put `build` (None: the default one) in the place of the installed pair.

    Removed first: to pip, a build for another CUDA of the same version is already satisfied.
    """
    present = [name for name in ("torch", "torchvision") if getattr(machine, name) is not None]
    build = build or next(iter(builds_for(machine.platform)), None)
    wanted = build.requirements if build else ("torch", "torchvision")
    return remove(machine, present), install(machine, *wanted, index=build.index if build else "")


def pair_torchvision(machine: Machine, torch: str) -> tuple[Command, ...]:
    """Bring the torchvision that pairs with the installed torch, from where that torch came."""
    version, _, local = torch.partition("+")
    # A torch from PyTorch's own index says so in its version: 2.14.1+cu126.
    index = local if re.fullmatch(r"cu\d+|cpu", local) else ""
    fetch = install(machine, f"torch=={torch}", f"torchvision{torchvision_for(version)}", index=index)
    return (fetch,) if machine.torchvision is None else (remove(machine, ["torchvision"]), fetch)


def remove(machine: Machine, names: Iterable[str]) -> Command:
    """Uninstall packages without asking."""
    agreed = ("-y",) if machine.installer != "uv" else ()
    return (*_installer(machine, "uninstall"), *agreed, *names)


def _installer(machine: Machine, verb: str) -> Command:
    if machine.installer == "uv":
        return ("uv", "pip", verb, "--python", machine.executable)
    return (machine.executable, "-m", "pip", verb)
