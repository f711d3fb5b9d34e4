"""Which torch fits which machine: the rules over the table in `torch_builds.json`."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version


@dataclass(frozen=True)
class Build:
    """One torch wheel, or the range of wheels in one folder of PyTorch's own index.

    torch, torchvision: specifiers such as `==2.10.0`; index: empty for the default package index,
    else `cu126` and its like; cuda: None for a CPU build; capabilities: what its GPU code was
    compiled for, `75` being 7.5.
    """

    platform: str
    index: str
    torch: str
    torchvision: str
    cuda: str | None
    capabilities: tuple[str, ...]
    evidence: str

    @property
    def requirements(self) -> tuple[str, str]:
        """The pair, as pip takes it."""
        return f"torch{self.torch}", f"torchvision{self.torchvision}"

    @property
    def is_safe(self) -> bool:
        """Whether every torch that the row admits is at or over the security floor."""
        lowest = (
            Version(bound.version) for bound in SpecifierSet(self.torch) if bound.operator in ("==", ">=")
        )
        return all(version >= security_floor() for version in lowest)


@functools.cache
def read_table() -> dict[str, Any]:
    """The table as it stands in the package."""
    text = resources.files("lensmith.machine").joinpath("torch_builds.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def security_floor() -> Version:
    """The oldest torch that may read foreign weights."""
    return Version(read_table()["floor"]["torch"])


@functools.cache
def builds_for(platform: str) -> tuple[Build, ...]:
    """The builds for `linux_x86_64` and its like, the preferred one first; empty where none is known."""
    rows = [row for row in read_table()["builds"] if row["platform"] == platform]
    return tuple(Build(**{**row, "capabilities": tuple(row["capabilities"])}) for row in rows)


def min_driver(cuda: str, platform: str) -> str | None:
    """The oldest NVIDIA driver that serves `cuda` ("13.2"); None where the table does not say.

    Within a CUDA major the first driver of that major is enough (minor version compatibility).
    """
    drivers: dict[str, str] = read_table()["min_driver"].get(platform.split("_")[0], {})
    return drivers.get(cuda.split(".")[0])


def serves(driver: str, cuda: str, platform: str) -> bool:
    """Whether this driver runs programs built for this CUDA."""
    oldest = min_driver(cuda, platform)
    return oldest is not None and Version(driver) >= Version(oldest)


def highest_cuda(driver: str, platform: str) -> str | None:
    """The newest CUDA major that this driver serves."""
    majors = read_table()["min_driver"].get(platform.split("_")[0], {})
    return next(
        (cuda for cuda in sorted(majors, key=int, reverse=True) if serves(driver, cuda, platform)), None
    )


def runs_on(capability: str, compiled: Sequence[str], cuda: str) -> bool:
    """Whether a GPU of this compute capability ("8.6") runs what this CUDA compiled for `compiled` ("80")."""
    table = read_table()
    rules: dict[str, list[str]] = table["runs_on"]
    if Version(cuda) >= Version("13.2"):
        rules = {**rules, **table["runs_on_from_cuda_13_2"]}
    return any(
        SpecifierSet(bound).contains(capability)
        for target in compiled
        # A target that the table does not know yet runs at least on its own capability.
        for bound in rules.get(target, [f"=={target[:-1]}.{target[-1]}"])
    )


def find_build(platform: str, driver: str, capabilities: Sequence[str]) -> Build | None:
    """The preferred GPU build that this driver serves and these GPUs run; None where there is none.

    A build that serves every GPU is looked for first, then one that serves any of them.
    """
    for accept in (all, any):
        for build in builds_for(platform):
            cuda = build.cuda
            if cuda is None or not build.is_safe or not serves(driver, cuda, platform):
                continue
            if not capabilities or accept(runs_on(one, build.capabilities, cuda) for one in capabilities):
                return build
    return None


def torchvision_for(torch: str) -> str:
    """The torchvision that pairs with this torch, as a specifier; the general floor where it is not known."""
    version = Version(torch)
    specifier: str = read_table()["torchvision"].get(f"{version.major}.{version.minor}", ">=0.25")
    return specifier
