"""The torch for a repository on this machine: what it asks for, what there was on its day, what runs here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from lensmith.machine.builds import Build, Target, find_builds, refusals, releases_for
from lensmith.machine.facts import Machine
from lensmith.machine.tables import load_table
from lensmith.provisioning.interpreters import Interpreter, read_releases
from lensmith.provisioning.plan import Alternative
from lensmith.provisioning.wishes import FAMILY, Wish, Wishes
from lensmith.repositories.reading import Fault

_INDEX = "https://download.pytorch.org/whl/"


@dataclass(frozen=True)
class Pairing:
    """wishes: with what torch's build asks of them; build: None where no torch is asked for, or none of the table's
    is needed; day: the day that packages are resolved as of; holds: whether the repository's own pin does;
    another_python: whether it would with another Python.
    """

    wishes: tuple[Wish, ...]
    build: Build | None = None
    day: date | None = None
    index: str = ""
    holds: bool = True
    another_python: bool = False
    faults: tuple[Fault, ...] = ()
    alternatives: tuple[Alternative, ...] = ()


def pair(wishes: Wishes, machine: Machine, python: Interpreter, day: date | None) -> Pairing:
    """Choose the build of torch. Without a GPU, torches that are older than the table are left to the resolver."""
    asked = next((wish for wish in wishes.packages if wish.name == "torch"), None)
    if asked is None and not any(wish.name in FAMILY for wish in wishes.packages):
        return Pairing(wishes.packages, day=day)
    torch = asked or Wish("torch", guessed=True)
    return _Choice(wishes, torch, machine, python, day).made()


def default_index(pairing: Pairing, machine: Machine, python: Interpreter) -> Pairing | None:
    """The same torch from the default index, for those who cannot reach PyTorch's; None where that does not run."""
    if pairing.build is None or not pairing.index:
        return None
    same = find_builds(_target(machine, python), torch=SpecifierSet(pairing.build.torch))
    build = next((row for row in same if not row.index), None)
    if build is None and machine.nvidia.driver:
        return None
    words = f"PyTorch's own index ({pairing.index}) did not answer"
    size = "" if machine.nvidia.driver else ": it brings CUDA's libraries, some GiB, which the CPU never uses"
    fault = Fault("index", "warning", words, f"The plan takes the build of the default index{size}.")
    return replace(pairing, build=build or pairing.build, index="", faults=(*pairing.faults, fault))


class _Choice:
    def __init__(
        self, wishes: Wishes, torch: Wish, machine: Machine, python: Interpreter, day: date | None
    ) -> None:
        self._wishes, self._torch, self._machine, self._day = wishes, torch, machine, day
        self._python = python
        self._target = _target(machine, python)
        self._gpu = " and ".join(dict.fromkeys(gpu.name for gpu in machine.nvidia.gpus))
        self._faults: list[Fault] = []
        self._alternatives: list[Alternative] = []

    def made(self) -> Pairing:
        """The build, with what had to be said on the way."""
        asked = SpecifierSet(self._torch.without_local().specifier)
        self._say_where_the_build_differs()
        rows = find_builds(self._target, torch=asked, before=self._day)
        if rows:
            return self._take(self._preferred(rows), holds=True)
        later = find_builds(self._target, torch=asked)
        if self._is_before_the_table(asked):
            return self._leave_to_the_resolver()
        return self._take_later(later[-1]) if later else self._replace_pin(asked)

    def _is_before_the_table(self, asked: SpecifierSet) -> bool:
        """What is older than the table is on the package index all the same, and runs on any CPU."""
        known = releases_for(self._machine.platform)
        if self._target.has_gpu:
            return False
        if any(bound.operator in ("==", "===", "~=") for bound in asked):
            return not any(asked.contains(build.version) for build in known)
        return not known or (self._day is not None and self._day < _released(known[-1]))

    def _preferred(self, rows: list[Build]) -> Build:
        """Of the newest torch: the CUDA that was asked for, else a CPU build on a CPU, else the default."""
        newest = [row for row in rows if row.torch == rows[0].torch]
        if not self._target.has_gpu:
            newest = [row for row in newest if row.cuda is None] or newest
        named = [row for row in newest if row.index == self._torch.local]
        default = [row for row in newest if not row.index]
        return (named or default or newest)[0]

    def _take(self, build: Build, *, holds: bool) -> Pairing:
        wishes = tuple(
            self._paired(wish, build, holds) if wish.name in FAMILY else wish
            for wish in self._wishes.packages
        )
        if all(wish.name != "torch" for wish in wishes):
            wishes = (*wishes, replace(self._torch, specifier=build.torch))
        index = f"{_INDEX}{build.index}" if build.index else ""
        chosen = Pairing(wishes, build, self._day, index, holds)
        return replace(chosen, faults=tuple(self._faults), alternatives=tuple(self._alternatives))

    def _paired(self, wish: Wish, build: Build, holds: bool) -> Wish:
        """torch as chosen, and of what is released with it the version that pairs."""
        if wish.name == "torch":
            return replace(wish, specifier=build.torch)
        pair, pinned = str(getattr(build, wish.name)), wish.without_local()
        if not pair or not wish.specifier:
            return pinned
        version = _lowest(SpecifierSet(pinned.specifier))
        if version is None or SpecifierSet(pair).contains(version, prereleases=True):
            return pinned
        if holds:
            words = f"{wish.original or wish.requirement} does not pair with torch {build.version}"
            cure = f"The plan takes {wish.name}{pair}."
            self._fault("pins do not pair", "error", words, cure, (wish.place,) if wish.place else ())
        return replace(wish, specifier=pair)

    def _take_later(self, build: Build) -> Pairing:
        if self._day is not None:
            words = f"no torch of {self._day} runs with Python {self._python.minor} on this machine"
            cure = f"The plan takes torch {build.version} of {build.released}, and packages as of that day."
            self._fault("torch of a later day", "warning", words, cure)
            self._day = max(self._day, _released(build))
        return self._take(build, holds=True)

    def _leave_to_the_resolver(self) -> Pairing:
        wishes = tuple(
            wish.without_local() if wish.name in FAMILY else wish for wish in self._wishes.packages
        )
        return Pairing(wishes, None, self._day, faults=tuple(self._faults))

    def _replace_pin(self, asked: SpecifierSet) -> Pairing:
        """The pin has no build that runs here: the nearest that does, and the other ways."""
        why = "; ".join(refusals(self._target, torch=asked)) or "no build of it is known that runs here"
        running = find_builds(self._target)
        pythons = read_releases()["released"]
        other = any(find_builds(replace(self._target, python=minor), torch=asked) for minor in pythons)
        places = (self._torch.place,) if self._torch.place else ()
        text = self._torch.original or self._torch.requirement
        if not running:
            words = f"no torch is known that runs on {self._gpu or 'this GPU'}: {why}"
            self._fault("torch", "error", words, "The plan leaves it to the resolver, for the CPU.", places)
            return replace(self._leave_to_the_resolver(), holds=False, another_python=other)
        pinned = _lowest(asked)
        above = [row for row in running if pinned is None or row.version >= pinned]
        nearest = (above or running)[-1]
        cure = f"The plan takes torch {nearest.version}, the nearest that does."
        words = f"{text} does not run on {self._gpu or 'this machine'}: {why}"
        self._fault("torch does not run here", "error", words, cure, places)
        self._offer(nearest, running[0], pinned)
        if self._day is not None:
            self._day = max(self._day, _released(nearest))
        return replace(self._take(nearest, holds=False), another_python=other)

    def _offer(self, nearest: Build, newest: Build, pinned: Version | None) -> None:
        taken = f"torch {nearest.version}{_cuda(nearest)}, the nearest to the pin that runs here (taken)"
        self._alternatives.append(Alternative(taken, _cost(pinned, nearest)))
        if newest.torch != nearest.torch:
            words = f"torch {newest.version}{_cuda(newest)}, the newest"
            self._alternatives.append(Alternative(words, _cost(pinned, newest)))
        if pinned is not None:
            words = f"torch {pinned} on the CPU, as pinned"
            self._alternatives.append(
                Alternative(words, "the GPU is not used: training takes ten to a hundred times as long")
            )

    def _say_where_the_build_differs(self) -> None:
        local, places = self._torch.local, (self._torch.place,) if self._torch.place else ()
        if local and local != "cpu":
            words = (
                f"{self._torch.original or self._torch.requirement}: builds named +{local} are not on PyPI"
            )
            cure = f"They are on PyTorch's own index, {_INDEX}{local}."
            self._fault("PyTorch's index", "info", words, cure, places)
        if self._wishes.wants_cpu and self._target.has_gpu:
            words = f"the repository asks for a CPU build of torch; this machine has {self._gpu or 'a GPU'}"
            cure = "The plan takes a build for the GPU."
            self._fault("CPU build", "warning", words, cure, self._wishes.wants_cpu)

    def _fault(self, name: str, severity: Any, detail: str, cure: str, places: Iterable[str] = ()) -> None:
        self._faults.append(Fault(name, severity, detail, cure, tuple(places)))


def _target(machine: Machine, python: Interpreter) -> Target:
    capabilities = tuple(gpu.capability for gpu in machine.nvidia.gpus if gpu.capability)
    return Target(machine.platform, machine.nvidia.driver, capabilities, python.minor)


def _released(build: Build) -> date:
    return date.fromisoformat(build.released) if build.released else date.min


def _cuda(build: Build) -> str:
    return f" for CUDA {build.cuda}" if build.cuda else ""


def _lowest(asked: SpecifierSet) -> Version | None:
    versions = [
        Version(bound.version.removesuffix(".*")) for bound in asked if bound.operator in ("==", ">=", "~=")
    ]
    return max(versions, default=None)


def _changes() -> list[dict[str, str]]:
    changes: list[dict[str, str]] = load_table(__package__, "torch_changes")["changes"]
    return changes


def _cost(pinned: Version | None, build: Build) -> str:
    """What changed for the repository's code between its pin and this build."""
    if pinned is None:
        return "as new as the machine needs"
    between = [
        f"{row['change']} (since {row['torch']})"
        for row in _changes()
        if pinned < Version(row["torch"]) <= build.version
    ]
    return "; ".join(between) or "no change is known that breaks older code"
