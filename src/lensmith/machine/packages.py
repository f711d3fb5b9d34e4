"""What is installed: torch and its family from their metadata and files, and the packages of the extras.

Nothing is imported: a torch that cannot be imported is exactly what the doctor is asked about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.requirements import Requirement

from lensmith.machine.installed import Package, find_package
from lensmith.machine.source import Source

EXTRAS = ("train", "serve")
_RECORDED = re.compile(r"^(torch/lib/[^/,]+\.(?:so|dll|dylib)[.\d]*),[^,]*,(\d+)$", re.MULTILINE)
COMPILED = re.compile(rb"sm_\d+a?(?: sm_\d+a?)+")
_LIBRARIES = ("libtorch_python.so", "torch_python.dll")


@dataclass(frozen=True)
class Torch:
    """An installed torch.

    version: as pip knows it, with `+cu126` where it came from PyTorch's own index; cuda, hip: what
    it was built for, or None; capabilities: what its GPU code was compiled for, empty where it is
    not known; damaged: shared libraries that are missing or not as long as they were in the wheel.
    """

    version: str
    cuda: str | None = None
    hip: str | None = None
    capabilities: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Torchvision:
    """An installed torchvision or torchaudio; `built_for` is `cu132`, `cpu` or None, `needs` the torch asked for."""

    version: str
    built_for: str | None = None
    needs: str = ""


@dataclass(frozen=True)
class Extras:
    """versions: of each package that an extra names, None where it is missing; unmet: what each lacks."""

    versions: dict[str, str | None]
    unmet: dict[str, tuple[str, ...]]


def read_torch(source: Source) -> Torch | None:
    """The installed torch, or None."""
    package = find_package(source, "torch")
    if package is None:
        return None
    facts = parse_version(source.text(f"{package.folder}/torch/version.py") or "")
    local = facts.get("__version__", package.version).partition("+")[2]
    # What is not said by the file of an installation that is not whole, its version may say.
    said = facts.get("cuda", "")
    cuda = said if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})+", said) else _cuda_of(local)
    return Torch(
        version=package.version,
        cuda=cuda,
        hip=facts.get("hip"),
        capabilities=_compiled_for(source, package) if cuda else (),
        damaged=find_damage(source, package),
    )


def read_pair(source: Source, name: str) -> Torchvision | None:
    """The installed torchvision or torchaudio, or None."""
    package = find_package(source, name)
    if package is None:
        return None
    said = parse_version(source.text(f"{package.folder}/{name}/version.py") or "").get("__version__", "")
    local = (said or package.version).partition("+")[2]
    torch = next((one for one in package.needs if one.name == "torch"), None)
    return Torchvision(package.version, local or None, str(torch.specifier) if torch else "")


def read_extras(source: Source) -> Extras:
    """The packages that lensmith's own metadata names under the extras."""
    own = find_package(source, "lensmith")
    versions: dict[str, str | None] = {}
    unmet: dict[str, tuple[str, ...]] = {}
    for extra in EXTRAS if own else ():
        wanted = [one for one in own.needs if _only_in(one, extra)] if own else []
        for one in wanted:
            package = find_package(source, one.name)
            versions[one.name] = package.version if package else None
        unmet[extra] = tuple(f"{one.name}{one.specifier}" for one in wanted if not _is_met(one, versions))
    return Extras(versions, unmet)


def parse_version(text: str) -> dict[str, str]:
    """A `version.py` -> its names that stand for a string: `cuda: Optional[str] = '13.2'` -> `cuda: 13.2`."""
    found = re.findall(r"""^(\w+)\s*(?::[^=\n]*)?=\s*(['"])(.*?)\2""", text, re.MULTILINE)
    return {name: value for name, _, value in found}


def find_damage(source: Source, package: Package) -> tuple[str, ...]:
    """Shared libraries that an interrupted installation left short, by the wheel's own record of sizes."""
    # conda changes libraries after their sizes were recorded.
    if package.installer not in ("pip", "uv"):
        return ()
    damaged = []
    for name, size in _RECORDED.findall(source.text(f"{package.info}/RECORD", _libraries) or ""):
        length = source.size(f"{package.folder}/{name}") or 0
        if length < int(size):
            damaged.append(f"{name} ({length:,} of {int(size):,} bytes)")
    return tuple(damaged)


def _libraries(record: str) -> str:
    return "\n".join(found[0] for found in _RECORDED.finditer(record))


def _compiled_for(source: Source, package: Package) -> tuple[str, ...]:
    """The list that torch.cuda.get_arch_list() would give, found as text in the library that holds it."""
    for name in _LIBRARIES:
        found = parse_compiled(source.excerpt(f"{package.folder}/torch/lib/{name}", b" sm_", COMPILED))
        if found:
            return found
    return ()


def parse_compiled(text: str) -> tuple[str, ...]:
    """`sm_75 sm_80 sm_90a` -> ("75", "80", "90")."""
    return tuple(re.findall(r"sm_(\d{2,3})", text))


def _cuda_of(local: str) -> str | None:
    """`cu126` -> 12.6."""
    found = re.fullmatch(r"cu([0-9]{1,9})([0-9])", local)
    return f"{found[1]}.{found[2]}" if found else None


def _only_in(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _is_met(requirement: Requirement, versions: dict[str, str | None]) -> bool:
    version = versions[requirement.name]
    return version is not None and requirement.specifier.contains(version, prereleases=True)
