"""The torch, torchvision and torchaudio that run on a described machine; or why none does, and what comes nearest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from lensmith.environments.described import Described, systems
from lensmith.machine.builds import (
    Build,
    Target,
    find_builds,
    min_driver,
    read_table,
    refusals,
    releases_for,
    security_floor,
)

# The oldest Python that any torch of the table has wheels for.
_OLDEST_PYTHON = 7
# torch older than this was built for the first ABI of numpy (pytorch#107302).
_NUMPY_2 = Version("2.3")


@dataclass(frozen=True)
class Nearest:
    """What would have to change, in words, and the build that would then run."""

    change: str
    build: Build

    def __str__(self) -> str:
        return f"{self.change}: {name_of(self.build)}"


@dataclass(frozen=True)
class Proposal:
    """What to install on a described machine.

    build: None where nothing runs there, as `refused` says; python: the one that was asked for, or chosen;
    reasons: why this and nothing newer; caveats: what to know of it; nearest: what would run, were one
    thing otherwise.
    """

    described: Described
    python: str
    build: Build | None
    reasons: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    nearest: tuple[Nearest, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """The pinned packages that go together, as pip takes them."""
        if self.build is None:
            return ()
        build = self.build
        numpy = ("numpy<2",) if build.version < _NUMPY_2 else ()
        return (
            *(f"{name}{version}" for name, version in parts(build, self.python).items() if version),
            *numpy,
        )

    def as_dict(self) -> dict[str, Any]:
        """The JSON form; a part that does not pair is None."""
        build = self.build
        found = (
            parts(build, self.python) if build else dict.fromkeys(("torch", "torchvision", "torchaudio"), "")
        )
        return {
            "machine": {
                "platform": self.described.platform,
                "gpus": list(self.described.gpus),
                "capabilities": list(self.described.capabilities),
                "driver": self.described.driver,
                "system": self.described.system,
            },
            "python": self.python,
            **{name: version.removeprefix("==") or None for name, version in found.items()},
            "index": build.index if build else None,
            "cuda": build.cuda if build else None,
            "requirements": list(self.requirements),
            "reasons": list(self.reasons),
            "caveats": list(self.caveats),
            "refused": list(self.refused),
            "nearest": [str(one) for one in self.nearest],
        }


def propose_environment(described: Described) -> Proposal:
    """The newest, or asked, torch that runs on the machine, with what pairs with it.

    Where no Python was said, that one is taken with which the newest torch comes whole.
    """
    asked = SpecifierSet(described.torch)
    python = described.python or _choose_python(described, asked)
    target = described.target(python)
    found = find_builds(target, asked)
    if not found:
        refused = tuple(refusals(target, asked))
        return Proposal(
            described, python, None, refused=refused, nearest=tuple(_nearest(described, python, asked))
        )
    build = found[0]
    return Proposal(
        described,
        python,
        build,
        tuple(_reasons(described, target, build)),
        tuple(_caveats(described, target, build)),
    )


def parts(build: Build, python: str) -> dict[str, str]:
    """torch, torchvision and torchaudio as specifiers; one that has no wheel for this Python is empty."""
    own = build.python
    return {
        "torch": build.torch,
        "torchvision": build.torchvision if _has(build.torchvision_python or own, python) else "",
        "torchaudio": build.torchaudio if _has(build.torchaudio_python or own, python) else "",
    }


def name_of(build: Build) -> str:
    """`torch 2.11.0 (cu128)`, as it is told."""
    return f"torch {build.version} ({build.local})" if build.cuda or build.index else f"torch {build.version}"


def _has(specifier: str, python: str) -> bool:
    return SpecifierSet(specifier).contains(python)


def _pythons() -> list[str]:
    """From the newest that is settled down to the oldest that any torch was built for."""
    newest = int(read_table()["pythons"][-1].partition(".")[2])
    return [f"3.{minor}" for minor in range(newest, _OLDEST_PYTHON - 1, -1)]


def _choose_python(described: Described, asked: SpecifierSet) -> str:
    """With which the newest torch comes, and its torchvision; of those the newest."""

    def worth(python: str) -> tuple[Version, bool]:
        found = find_builds(described.target(python), asked)
        return (
            (found[0].version, bool(parts(found[0], python)["torchvision"]))
            if found
            else (Version("0"), False)
        )

    return max(_pythons(), key=worth)


def _reasons(described: Described, target: Target, build: Build) -> Iterator[str]:
    newest = releases_for(target.platform)[0]
    asked = SpecifierSet(described.torch)
    known = [one for one in releases_for(target.platform) if asked.contains(f"{one.version}+{one.local}")]
    plainly = "macOS" if target.platform.startswith("macosx") else "the CPU"
    kind = f"CUDA {build.cuda}" if build.cuda else plainly
    group = f"torch{described.torch}" if described.torch else "all torch releases"
    if build.version == known[0].version:
        yield f"torch {build.version} is the newest of {group}, and its build for {kind} runs there."
    else:
        yield f"torch {build.version}, built for {kind}, is the newest of {group} that runs there."
        later = SpecifierSet(f"=={known[0].version}")
        yield from (f"Not the newest: {reason}." for reason in refusals(target, later)[:1])
    if build.index and newest.platform == "win_amd64" and build.cuda:
        yield "The default package index has no CUDA builds for Windows."
    if not target.has_gpu and build.index == "cpu":
        yield "The default wheel for Linux brings some GB of CUDA libraries, for nothing on a machine without a GPU."
    if build.index and build.cuda and (plain := _from_default(target, asked)):
        yield f"The default package index has {name_of(plain)} for it, which needs no other index."


def _from_default(target: Target, asked: SpecifierSet) -> Build | None:
    return next((one for one in find_builds(target, asked) if not one.index), None)


def _caveats(described: Described, target: Target, build: Build) -> Iterator[str]:
    yield from described.notes
    python = target.python
    lacking = [name for name, version in parts(build, python).items() if not version]
    if "torchvision" in lacking:
        other = next(
            (one for one in _pythons() if parts(build, one)["torchvision"] and _has(build.python, one)), None
        )
        also = f"; with Python {other} both come" if other else ""
        yield f"torchvision has no wheel that pairs with torch {build.version} on Python {python}{also}."
    elif "torchaudio" in lacking:
        yield f"No torchaudio is known to load with torch {build.version}: its last release is 2.11.0."
    if build.version < security_floor():
        floor = read_table()["floor"]
        yield f"Older than torch {floor['torch']}: load no weights of others with it ({floor['reason']})."
    if build.version < _NUMPY_2:
        yield f"torch {build.version} was built for numpy 1, so numpy stays below 2."
    if build.platform.startswith("macosx") and target.system is None:
        yield f"It needs macOS {build.system} or newer."
    if build.cuda and target.driver is None:
        yield f"It needs NVIDIA driver {min_driver(build.cuda, target.platform)} or newer; nvidia-smi shows yours."
    # Drivers for Windows are numbered otherwise.
    if target.driver and target.platform.startswith("linux") and (ended := _ended(target.driver)):
        yield ended
    if build.evidence == "published":
        yield (
            f"What the folder {build.index} of PyTorch's own index holds is told from what PyTorch published"
            f" ({build.read}); those wheels were not opened."
        )


def _ended(driver: str) -> str:
    branch = driver.partition(".")[0]
    table = systems()["drivers"]
    if int(branch) >= int(table["ended_before"]):
        return ""
    when = f" in {table['ended'][branch]}" if branch in table["ended"] else ""
    return f"NVIDIA's support of driver branch {branch} ended{when}: it gets no security fixes."


def _nearest(described: Described, python: str, asked: SpecifierSet) -> Iterator[Nearest]:
    """What would run if one thing were otherwise: another torch, Python, driver, system, or no GPU."""
    target = described.target(python)
    if described.torch and (others := find_builds(target)):
        wanted = min(Version(one.version.removesuffix(".*")) for one in asked)
        later = [one for one in others if one.version >= wanted]
        yield Nearest("With another torch", later[-1] if later else others[0])
    whole = (one for one in _pythons() if _whole(described.target(one), asked))
    if other := next(whole, None):
        yield Nearest(f"With Python {other}", find_builds(described.target(other), asked)[0])
    if target.capabilities and target.driver and (found := find_builds(replace(target, driver=None), asked)):
        # The oldest CUDA major asks least of a driver, and of it the newest torch is told.
        oldest = min(_major(one) for one in found)
        best = next(one for one in found if _major(one) == oldest)
        yield Nearest(f"With NVIDIA driver {min_driver(str(best.cuda), target.platform)} or newer", best)
    if target.system and (found := find_builds(replace(target, system=None), asked)):
        name = "macOS" if target.platform.startswith("macosx") else "glibc"
        yield Nearest(f"With {name} {found[0].system} or newer", found[0])
    if target.has_gpu and (found := find_builds(replace(target, driver=None, capabilities=()), asked)):
        yield Nearest("On the CPU of that machine", found[0])
    if target.platform.startswith("musllinux"):
        other_platform = replace(target, platform=target.platform.replace("musl", ""))
        if found := find_builds(other_platform, asked):
            yield Nearest("On a Linux with glibc (Debian, Ubuntu)", found[0])


def _major(build: Build) -> int:
    return int(str(build.cuda).partition(".")[0])


def _whole(target: Target, asked: SpecifierSet) -> bool:
    found = find_builds(target, asked)
    return bool(found and parts(found[0], target.python)["torchvision"])
