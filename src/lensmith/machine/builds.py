"""Which torch fits which machine: the rules over the table in `torch_builds.json`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from lensmith.machine.tables import load_table

TORCH_INDEX = "https://download.pytorch.org/whl/"
"""PyTorch's own index; its folders hold the builds that the default index does not."""


@dataclass(frozen=True)
class Build:
    """One torch wheel, or the range of wheels in one folder of PyTorch's own index.

    torch, torchvision, torchaudio: specifiers such as `==2.10.0`, the last two empty where none pairs;
    index: empty for the default package index, else `cu126` and its like; cuda: None for a CPU build;
    capabilities: what its GPU code was compiled for, `75` being 7.5; released: the day, empty for a range;
    python: the Pythons with a wheel of torch, as a specifier, and what of its pair differs from that;
    system: the oldest glibc or macOS that takes the wheel; read: the day on which the evidence was seen.
    """

    platform: str
    index: str
    torch: str
    torchvision: str
    cuda: str | None
    capabilities: tuple[str, ...]
    evidence: str
    torchaudio: str = ""
    released: str = ""
    python: str = ""
    torchvision_python: str = ""
    torchaudio_python: str = ""
    system: str = ""
    read: str = ""

    @property
    def requirements(self) -> tuple[str, str]:
        """The pair, as pip takes it."""
        return f"torch{self.torch}", f"torchvision{self.torchvision}"

    @property
    def version(self) -> Version:
        """The torch release; of a range, its lowest."""
        return min(_lowest(self.torch))

    @property
    def local(self) -> str:
        """What follows the plus in the version that the wheel itself tells: `cu126`, `cpu`."""
        return self.index or (f"cu{self.cuda.replace('.', '')}" if self.cuda else "cpu")

    @property
    def index_url(self) -> str:
        """Where the wheel lies; empty for the default index."""
        return TORCH_INDEX + self.index if self.index else ""

    @property
    def is_safe(self) -> bool:
        """Whether every torch that the row admits is at or over the security floor."""
        return all(version >= security_floor() for version in _lowest(self.torch))


@dataclass(frozen=True)
class Target:
    """A machine that torch is chosen for.

    driver: of NVIDIA, None where there is none or where it is not known; capabilities: of the GPUs, such as
    "8.6"; without driver and capabilities it is a machine without a GPU. python: "3.11" or "3.11.7";
    system: the version of its glibc or macOS, None where that is not known.
    """

    platform: str
    driver: str | None
    capabilities: tuple[str, ...]
    python: str
    system: str | None = None

    @property
    def has_gpu(self) -> bool:
        """Whether a GPU build is wanted."""
        return bool(self.driver or self.capabilities)


def _lowest(specifier: str) -> list[Version]:
    return [Version(bound.version) for bound in SpecifierSet(specifier) if bound.operator in ("==", ">=")]


def read_table() -> dict[str, Any]:
    """The table as it stands in the package."""
    return load_table(__package__, "torch_builds")


def security_floor() -> Version:
    """The oldest torch that may read foreign weights."""
    return Version(read_table()["floor"]["torch"])


@functools.cache
def builds_for(platform: str) -> tuple[Build, ...]:
    """The builds for `linux_x86_64` and its like, the preferred one first; empty where none is known."""
    rows = [row for row in read_table()["builds"] if row["platform"] == platform]
    return tuple(Build(**{**row, "capabilities": tuple(row["capabilities"])}) for row in rows)


@functools.cache
def releases_for(platform: str) -> tuple[Build, ...]:
    """Each release by itself, newest first: folders of PyTorch's own index hold what the default one holds.

    Of one release the default build comes first, then the others as they stand in the table.
    """
    rows = builds_for(platform)
    found: list[Build] = []
    for default in rows:
        if default.index:
            break
        folders = (row for row in rows if row.index and SpecifierSet(row.torch).contains(default.version))
        found += [default, *(_as_in(folder, default) for folder in folders)]
    return tuple(found)


def _as_in(folder: Build, default: Build) -> Build:
    """The wheel of a folder that goes by the same version as the one on the default index."""
    own = ("index", "cuda", "capabilities", "evidence", "read")
    return replace(default, **{name: getattr(folder, name) for name in own})


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


def find_builds(target: Target, torch: SpecifierSet | None = None, before: date | None = None) -> list[Build]:
    """The builds that run on a machine, newest first; of one release, the preferred one first.

    torch: which releases are asked for (`==1.13.1+cu117` asks for that build too); before: the last day on
    which they may have been released. Where no build serves every GPU, those are given that serve some; a
    machine without a GPU gets the builds for the CPU before those that bring CUDA for nothing.
    """
    asked = _asked(target, torch, before)
    for accept in (all, any):
        checks = _checks(target, accept)
        found = [build for build in asked if all(check(build) is None for check in checks)]
        if found:
            return found if target.has_gpu else sorted(found, key=_newest_then_plain)
    return []


def refusals(target: Target, torch: SpecifierSet | None = None, before: date | None = None) -> list[str]:
    """Why `find_builds` finds nothing, a sentence each; empty where it finds something.

    What alone rules all of them out is said once. Where no single thing does, each build's own reason is.
    """
    if find_builds(target, torch, before):
        return []
    asked = _asked(target, torch, before)
    if not asked:
        return [_nothing_asked(target, torch, before)]
    found = []
    for check in _checks(target, any):
        reasons = [check(build) for build in asked]
        if None not in reasons:
            found.append(str(reasons[0]))
    if found:
        return found
    # Those that fail by least tell most; a build for the CPU fails a GPU by what it is.
    each = [
        [reason for check in _checks(target, any) if (reason := check(build))]
        for build in asked
        if build.cuda
    ]
    fewest = min(map(len, each), default=0)
    return list(dict.fromkeys(reason for reasons in each if len(reasons) == fewest for reason in reasons))[:4]


def _asked(target: Target, torch: SpecifierSet | None, before: date | None) -> list[Build]:
    return [
        build
        for build in releases_for(target.platform)
        if (before is None or build.released <= before.isoformat())
        and (torch is None or torch.contains(f"{build.version}+{build.local}", prereleases=True))
    ]


def _nothing_asked(target: Target, torch: SpecifierSet | None, before: date | None) -> str:
    known = releases_for(target.platform)
    if not known:
        return f"no build of torch for {target.platform} is known"
    words = f"torch {known[-1].version} to {known[0].version} are known for {target.platform}"
    asked = f", none of them is torch{torch}" if torch else ""
    return (
        words
        + asked
        + (f", released by {before}" if asked and before else f", none by {before}" if before else "")
    )


def _newest_then_plain(build: Build) -> tuple[list[int], bool, bool]:
    """Of one release, a build for the CPU first, and of those the one on the default index."""
    return [-part for part in build.version.release], build.cuda is not None, build.index != ""


Check = Callable[[Build], str | None]


def _checks(target: Target, accept: Callable[[Iterable[bool]], bool]) -> tuple[Check, ...]:
    """What a build has to pass, each giving None or the reason against it."""

    def python(build: Build) -> str | None:
        if SpecifierSet(build.python).contains(target.python):
            return None
        return f"torch {build.version} has wheels for Python {build.python}, not for {target.python}"

    def system(build: Build) -> str | None:
        if not target.system or not build.system or Version(target.system) >= Version(build.system):
            return None
        name = "macOS" if build.platform.startswith("macosx") else "glibc"
        return f"torch {build.version} needs {name} {build.system} or newer, and this is {target.system}"

    def code(build: Build) -> str | None:
        if build.cuda is None:
            return f"torch {build.version} ({build.local}) is built for the CPU" if target.has_gpu else None
        cuda = build.cuda
        if not target.capabilities or accept(
            runs_on(one, build.capabilities, cuda) for one in target.capabilities
        ):
            return None
        wanted = " and ".join(target.capabilities)
        return (
            f"torch {build.version} ({build.local}) has no code for compute capability {wanted};"
            f" it has {', '.join(f'{one[:-1]}.{one[-1]}' for one in build.capabilities)}"
        )

    def driver(build: Build) -> str | None:
        if build.cuda is None or not target.driver or serves(target.driver, build.cuda, target.platform):
            return None
        oldest = min_driver(build.cuda, target.platform)
        needs = f"needs NVIDIA driver {oldest} or newer, and this is {target.driver}"
        return f"torch {build.version} ({build.local}) {needs}"

    return python, system, code, driver


def torchvision_for(torch: str) -> str:
    """The torchvision that pairs with this torch, as a specifier; the general floor where it is not known."""
    wanted = Version(torch).release[:2]
    rows = [row for row in builds_for("linux_x86_64") if not row.index and row.version.release[:2] == wanted]
    if not rows:
        return ">=0.25"
    lowest = min(Version(row.torchvision.removeprefix("==")) for row in rows)
    return f"~={lowest}" if lowest.micro else f"=={lowest.major}.{lowest.minor}.*"
