"""What is installed: torch and torchvision from their metadata and files, and the packages of the extras.

Nothing is imported: a torch that cannot be imported is exactly what the doctor is asked about.
"""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, requires
from pathlib import Path

from packaging.requirements import Requirement

EXTRAS = ("train", "serve")
_RECORDED = re.compile(r"^(torch/lib/[^/,]+\.(?:so|dll|dylib)[.\d]*),[^,]*,(\d+)$", re.MULTILINE)


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
    """An installed torchvision; `built_for` is `cu132`, `cpu` or None, `needs` the torch it asks for."""

    version: str
    built_for: str | None = None
    needs: str = ""


@dataclass(frozen=True)
class Extras:
    """versions: of each package that an extra names, None where it is missing; unmet: what each lacks."""

    versions: dict[str, str | None]
    unmet: dict[str, tuple[str, ...]]


def read_torch() -> Torch | None:
    """The installed torch, or None."""
    package = _find("torch")
    if package is None:
        return None
    facts = parse_version(_text(package, "torch/version.py"))
    cuda = facts.get("cuda")
    return Torch(
        version=package.version,
        cuda=cuda,
        hip=facts.get("hip"),
        capabilities=_compiled_for(package) if cuda else (),
        damaged=find_damage(package),
    )


def read_torchvision() -> Torchvision | None:
    """The installed torchvision, or None."""
    package = _find("torchvision")
    if package is None:
        return None
    local = parse_version(_text(package, "torchvision/version.py")).get("__version__", "").partition("+")[2]
    needs = [Requirement(line) for line in package.requires or []]
    torch = next((str(one.specifier) for one in needs if one.name == "torch"), "")
    return Torchvision(package.version, local or None, torch)


def read_extras() -> Extras:
    """The packages that lensmith's own metadata names under the extras."""
    try:
        lines = [Requirement(line) for line in requires("lensmith") or []]
    except PackageNotFoundError:
        return Extras({}, {})
    versions: dict[str, str | None] = {}
    unmet: dict[str, tuple[str, ...]] = {}
    for extra in EXTRAS:
        wanted = [one for one in lines if one.marker and _only_in(one, extra)]
        for one in wanted:
            package = _find(one.name)
            versions[one.name] = package.version if package else None
        unmet[extra] = tuple(f"{one.name}{one.specifier}" for one in wanted if not _is_met(one, versions))
    return Extras(versions, unmet)


def parse_version(text: str) -> dict[str, str]:
    """A `version.py` -> its names that stand for a string: `cuda: Optional[str] = '13.2'` -> `cuda: 13.2`."""
    found = re.findall(r"""^(\w+)\s*(?::[^=\n]*)?=\s*(['"])(.*?)\2""", text, re.MULTILINE)
    return {name: value for name, _, value in found}


def find_damage(package: Distribution) -> tuple[str, ...]:
    """Shared libraries that an interrupted installation left short, by the wheel's own record of sizes."""
    # conda changes libraries after their sizes were recorded.
    if (package.read_text("INSTALLER") or "").strip() not in ("pip", "uv"):
        return ()
    damaged = []
    for name, size in _RECORDED.findall(package.read_text("RECORD") or ""):
        file = Path(str(package.locate_file(name)))
        length = file.stat().st_size if file.exists() else 0
        if length < int(size):
            damaged.append(f"{name} ({length:,} of {int(size):,} bytes)")
    return tuple(damaged)


def _compiled_for(package: Distribution) -> tuple[str, ...]:
    """The list that torch.cuda.get_arch_list() would give, found as text in the library that holds it."""
    for name in ("libtorch_python.so", "torch_python.dll"):
        file = Path(str(package.locate_file(f"torch/lib/{name}")))
        if file.is_file() and file.stat().st_size > 0:
            with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return parse_compiled(content)
    return ()


def parse_compiled(content: mmap.mmap | bytes) -> tuple[str, ...]:
    """`... sm_75 sm_80 sm_90 ...` inside a library -> ("75", "80", "90")."""
    # find() first: a regular expression over the whole library takes most of a second.
    place = content.find(b" sm_")
    while place >= 0:
        found = re.search(rb"sm_\d+a?(?: sm_\d+a?)+", content[max(0, place - 8) : place + 400])
        if found:
            return tuple(target.decode() for target in re.findall(rb"sm_(\d+)", found.group()))
        place = content.find(b" sm_", place + 1)
    return ()


def _find(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _text(package: Distribution, name: str) -> str:
    try:
        return Path(str(package.locate_file(name))).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _only_in(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _is_met(requirement: Requirement, versions: dict[str, str | None]) -> bool:
    version = versions[requirement.name]
    return version is not None and requirement.specifier.contains(version, prereleases=True)
