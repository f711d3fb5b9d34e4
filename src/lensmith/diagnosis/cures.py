"""The commands that mend a machine, for the package manager that made its environment.

Wheels by pip or uv also in a conda environment: PyTorch's own conda channel ended with 2.5 (pytorch#138506), and only
the wheels come on the day of a release, for each CUDA. Where torch came from conda-forge, conda puts in its build
instead: two installers that write the same package leave neither's record true.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution

from lensmith.diagnosis.homes import Home, find_conda, home_of
from lensmith.diagnosis.quoting import Command
from lensmith.machine.builds import (
    TORCH_INDEX,
    Build,
    builds_for,
    find_build,
    min_driver,
    security_floor,
    torchvision_for,
)
from lensmith.machine.facts import Machine

TRAIN = "lensmith[train]"
_ENDED_CHANNEL = re.compile(r"py3\.\d+_(?:cuda|cpu)")
"""Build strings of PyTorch's own channel; conda-forge's begin with `cuda126_` or `cpu_`."""


def install(machine: Machine, *requirements: str, index: str = "") -> Command:
    """Install `requirements`, where `index` is `cu126` or its like from PyTorch's own wheels."""
    home = home_of(machine)
    if home.tool == "pixi":
        source = ("--index", TORCH_INDEX + index) if index else ()
        return (*home.pixi("add"), "--pypi", *source, *requirements)
    source = ("--index-url", TORCH_INDEX + index) if index else ()
    return (*_installer(home, "install"), *requirements, *source)


def install_extra(machine: Machine) -> Command:
    """Install what training needs besides torch.

    A lensmith that came from a folder or a repository is in no index: pip is content with the installed one, uv is
    not and is given what is missing, and a new environment gets lensmith from where this one came.
    """
    home, origin = home_of(machine), _origin(machine)
    if origin and home.reason:
        return install(machine, f"{TRAIN} @ {origin}")
    if origin and home.tool != "pip":
        return install(machine, *(machine.unmet.get("train") or (TRAIN,)))
    return install(machine, TRAIN)


def gpu_build(machine: Machine) -> Build | None:
    """The build that this machine's driver serves and its GPUs run; None where there is none."""
    nvidia = machine.nvidia
    # Where its tools are missing, the driver is at least the first of the CUDA that its library serves.
    driver = nvidia.driver or (min_driver(nvidia.cuda, machine.platform) if nvidia.cuda else None)
    if driver is None:
        return None
    capabilities = [gpu.capability for gpu in nvidia.gpus if gpu.capability]
    return find_build(machine.platform, driver, capabilities)


def first_install(machine: Machine) -> tuple[Command, ...]:
    """What brings torch to a machine that has none: the plain command wherever the default build fits."""
    build, own = gpu_build(machine), install_extra(machine)
    if build is None or build in builds_for(machine.platform)[:1]:
        return (own,)
    # First the pair: the extra then finds it installed and leaves it alone.
    return install(machine, *build.requirements, index=build.index), own


def replace_pair(machine: Machine, build: Build | None) -> tuple[Command, ...]:
    """Put `build` (None: the default one) in the place of the installed pair.

    Removed first: to pip, a build for another CUDA of the same version is already satisfied.
    """
    if conda := _conda_of_torch(machine):
        return _conda_pair(machine, conda, build)
    present = [name for name in ("torch", "torchvision") if getattr(machine, name) is not None]
    build = build or next(iter(builds_for(machine.platform)), None)
    wanted = build.requirements if build else ("torch", "torchvision")
    return remove(machine, present), install(machine, *wanted, index=build.index if build else "")


def pair_torchvision(machine: Machine, torch: str) -> tuple[Command, ...]:
    """Bring the torchvision that pairs with the installed torch, from where that torch came."""
    version, _, local = torch.partition("+")
    if conda := _conda_of_torch(machine):
        return ((conda, "install", "-y", "-p", machine.prefix, "-c", "conda-forge", "torchvision"),)
    # A torch from PyTorch's own index says so in its version: 2.14.1+cu126.
    index = local if re.fullmatch(r"cu\d+|cpu", local) else ""
    fetch = install(machine, f"torch=={torch}", f"torchvision{torchvision_for(version)}", index=index)
    return (fetch,) if machine.torchvision is None else (remove(machine, ["torchvision"]), fetch)


def remove(machine: Machine, names: Iterable[str]) -> Command:
    """Uninstall packages without asking."""
    home = home_of(machine)
    if home.tool == "pixi":
        return (*home.pixi("remove"), "--pypi", *names)
    agreed = ("-y",) if home.tool != "uv" else ()
    return (*_installer(home, "uninstall"), *agreed, *names)


def ensure_pip(machine: Machine) -> Command:
    """Bring pip to a Python that has no installer."""
    conda = find_conda(machine) if machine.managers.made_by == "conda" else ""
    if conda:
        return (conda, "install", "-y", "-p", machine.prefix, "pip")
    return (machine.executable, "-m", "ensurepip", "--upgrade")


def _origin(machine: Machine) -> str:
    """Where lensmith was installed from, as an installer takes it; empty for a package index."""
    if machine.executable != sys.executable:
        return ""  # a machine that was written down elsewhere
    try:
        told = json.loads(distribution("lensmith").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return ""
    url, vcs = told.get("url", ""), told.get("vcs_info")
    return f"{vcs['vcs']}+{url}@{vcs['commit_id']}" if url and vcs else url


def _installer(home: Home, verb: str) -> Command:
    if home.tool == "uv":
        return ("uv", "pip", verb, "--python", home.python)
    return (home.python, "-m", "pip", verb)


def _conda_of_torch(machine: Machine) -> str:
    """The program that has to replace a torch that conda brought; empty where pip or uv did."""
    return find_conda(machine) if machine.conda_build and machine.managers.made_by == "conda" else ""


def _conda_pair(machine: Machine, conda: str, build: Build | None) -> tuple[Command, ...]:
    here = ("-y", "-p", machine.prefix)
    if _ENDED_CHANNEL.search(machine.conda_build):
        # What hangs on it goes with it. Of what conda-forge builds nothing fits the rest of that channel.
        wanted = build.requirements if build else ("torch", "torchvision")
        fetch = install(machine, *wanted, index=build.index if build else "")
        return ((conda, "remove", *here, "pytorch"), fetch)
    name = "pytorch-gpu" if build and build.cuda else "pytorch"
    return (
        (conda, "install", *here, "-c", "conda-forge", f"{name}>={security_floor()}", "torchvision>=0.25"),
    )
