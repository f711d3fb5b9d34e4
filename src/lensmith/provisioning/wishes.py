"""What a repository asks for -> what a resolver may be given: name, extras, specifier, marker, and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from lensmith.machine.tables import load_table
from lensmith.repositories.asked import meant_by
from lensmith.repositories.reading import Fault, Reading, Wanted
from lensmith.repositories.tables import table

FAMILY = ("torch", "torchvision", "torchaudio")
"""Released together, and installed from one index."""
_KNOWN_HOSTS = ("pypi.org", "files.pythonhosted.org", "download.pytorch.org")
_CONDA = re.compile(r"([A-Za-z0-9_.-]+)\s*(?:(==|=|>=|<=|>|<)\s*([^=\s]+))?(?:=(\S+))?\s*$")


@dataclass(frozen=True)
class Wish:
    """One package that is asked for. guessed: imported, not declared; cpu: asked for as a build without CUDA."""

    name: str
    specifier: str = ""
    extras: tuple[str, ...] = ()
    marker: str = ""
    place: str = ""
    original: str = ""
    guessed: bool = False

    @property
    def requirement(self) -> str:
        """As pip takes it."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{self.specifier}" + (f" ; {self.marker}" if self.marker else "")

    @property
    def local(self) -> str:
        """`cu117` of `torch==1.13.1+cu117`, else nothing."""
        return self.specifier.partition("+")[2].partition(",")[0]

    def without_pin(self) -> Wish:
        """The same package, any version."""
        return replace(self, specifier="")

    def within_major(self) -> Wish:
        """The same package, any version of the major that is pinned: what breaks code comes with the next one."""
        pinned = re.fullmatch(r"==(\d+)(?:[.+].*)?", self.specifier)
        return replace(self, specifier=f"=={pinned[1]}.*" if pinned and pinned[1] != "0" else "")

    def without_local(self) -> Wish:
        """`==1.13.1` for `==1.13.1+cu117`."""
        return replace(self, specifier=re.sub(r"\+[A-Za-z0-9.]+", "", self.specifier))


@dataclass(frozen=True)
class Wishes:
    """What was asked for, sorted. packages: for the resolver; foreign: what only a build step can bring, as pip
    takes it; wants_cpu: the places that ask for a CPU build.
    """

    packages: tuple[Wish, ...] = ()
    foreign: tuple[str, ...] = ()
    wants_cpu: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


def _names() -> dict[str, Any]:
    return load_table(__package__, "package_names")


def sort_wishes(reading: Reading) -> Wishes:
    """The wishes of a repository; what cannot be given to a resolver is named as a fault and left out."""
    sorting = _Sorting(reading)
    for wanted in reading.wanted:
        sorting.take(wanted)
    for name in reading.undeclared:
        sorting.guess(name)
    sorting.take_indexes()
    return sorting.result()


class _Sorting:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._imported = {canonicalize_name(name) for name in reading.imports}
        self._wishes: dict[str, Wish] = {}
        self._foreign: dict[str, str] = {}
        self._cpu: list[str] = []
        self._left_out: list[str] = []
        self._faults: list[Fault] = []

    def take(self, wanted: Wanted) -> None:
        """One declared requirement."""
        if wanted.channel == "conda":
            self._take_conda(wanted)
            return
        try:
            requirement = Requirement(wanted.requirement)
        except InvalidRequirement:
            self._refuse(wanted)
            return
        if requirement.url:
            self._take_url(requirement, wanted)
            return
        self._take_named(requirement, wanted)

    def guess(self, name: str) -> None:
        """A package that is imported and declared nowhere."""
        canonical = canonicalize_name(name)
        if canonical not in self._wishes and canonical not in self._foreign:
            places = self._reading.imports.get(name, ())
            self._wishes[canonical] = Wish(canonical, place=next(iter(places), ""), guessed=True)

    def take_indexes(self) -> None:
        """The extra indexes: those of PyTorch and PyPI are known, any other is left to the user."""
        for url in self._reading.indexes:
            host = (urlsplit(url).hostname or "").lower()
            if host in _KNOWN_HOSTS and urlsplit(url).scheme == "https":
                if host == "download.pytorch.org" and urlsplit(url).path.rstrip("/").endswith("/cpu"):
                    self._cpu.append(url)
            else:
                words = f"asks for packages from {url}, which is neither PyPI nor PyTorch's index"
                cure = "It is left out: its owner decides what is installed. Set UV_INDEX to it where you trust it."
                self._fault("foreign index", "warning", words, cure)

    def result(self) -> Wishes:
        """Everything taken so far."""
        if self._left_out:
            names = ", ".join(sorted(set(self._left_out)))
            words = f"{len(set(self._left_out))} packages of conda's are left out: {names}"
            cure = "They are libraries that wheels bring along, or nothing imports them."
            self._fault("conda packages", "info", words, cure)
        guessed = [wish for wish in self._wishes.values() if wish.guessed]
        if guessed:
            words = f"{', '.join(wish.name for wish in guessed)}: imported and declared nowhere"
            cure = "A guess by name, in the versions of the time."
            self._fault("added", "info", words, cure, tuple(wish.place for wish in guessed[:5]))
        packages, foreign = tuple(self._wishes.values()), tuple(self._foreign.values())
        return Wishes(packages, foreign, tuple(self._cpu), tuple(self._faults))

    def _take_named(self, requirement: Requirement, wanted: Wanted) -> None:
        name, specifier = canonicalize_name(requirement.name), str(requirement.specifier)
        standard = {row["name"]: row["since"] for row in _names()["standard"]}
        if name in standard:
            words = f"{name} is part of Python since {standard[name]}; the package breaks newer ones"
            self._fault("standard library", "info", words, "It is left out.", (wanted.place,))
            return
        renamed = meant_by(name)
        if renamed != name:
            words = f"{renamed} in the place of {name}, which is not the package that is meant"
            self._fault("renamed", "info", words, "", (wanted.place,))
            specifier = "" if name in table("known_packages")["strangers"] else specifier
        marker = str(requirement.marker or "")
        wish = Wish(
            renamed, specifier, tuple(sorted(requirement.extras)), marker, wanted.place, wanted.original
        )
        if renamed in FAMILY and wish.local == "cpu":
            self._cpu.append(wanted.place)
        self._add(wish)

    def _take_conda(self, wanted: Wanted) -> None:
        parsed = _CONDA.match(wanted.original or wanted.requirement)
        try:
            requirement = Requirement(wanted.requirement)
            name, specifier = requirement.name.lower(), str(requirement.specifier)
        except InvalidRequirement:
            if parsed is None:
                self._refuse(wanted)
                return
            name, specifier = parsed[1].lower(), _pip_specifier(parsed[2], parsed[3])
        build = (parsed[4] or "") if parsed else ""
        table = {row["name"]: row["pypi"] for row in _names()["conda"]}
        if name == "cpuonly" or "cpu" in build.split("_"):
            self._cpu.append(wanted.place)
        if name == "cudatoolkit":
            self._cudatoolkit(wanted, specifier)
        pypi = table.get(name, canonicalize_name(name))
        if pypi is None:
            return
        if name not in table and pypi not in _names()["same"] and pypi not in self._imported:
            self._left_out.append(name)
            return
        # conda's opencv 4.5.1 is 4.5.1.48 on the index.
        if pypi != canonicalize_name(name) and pypi not in FAMILY:
            specifier = re.sub(r"==([0-9.]+[0-9])$", r"==\1.*", specifier)
        self._add(Wish(pypi, specifier, place=wanted.place, original=wanted.original))

    def _cudatoolkit(self, wanted: Wanted, specifier: str) -> None:
        words = f"cudatoolkit{specifier} is conda's; many of its versions were never in the pytorch channel"
        cure = "It is left out: torch's wheel brings the CUDA libraries that it was built with."
        self._fault("cudatoolkit", "info", words, cure, (wanted.place,))

    def _take_url(self, requirement: Requirement, wanted: Wanted) -> None:
        url = str(requirement.url)
        scheme = urlsplit(url).scheme.lower()
        if scheme not in ("git+https", "https"):
            words = f"{requirement.name} comes from {url}, which is {_kind(scheme)}"
            self._fault("unreachable source", "error", words, "It is left out.", (wanted.place,))
            return
        name = canonicalize_name(requirement.name)
        self._foreign[name] = f"{name} @ {url}"
        self._wishes.pop(name, None)
        pinned = scheme == "https" or re.search(r"@[0-9a-f]{40}\b", url)
        words = f"{name} comes from {url}" + ("" if pinned else ", at no fixed commit: it may have changed")
        cure = "Nothing of it is read in the plan; the build fetches it and runs its build step, once agreed."
        self._fault("needs a build step", "warning", words, cure, (wanted.place,))

    def _refuse(self, wanted: Wanted) -> None:
        words = f"{wanted.original or wanted.requirement!r} is not a package with a version"
        cure = "It is left out: only names and versions are given to the resolver."
        self._fault("unusable requirement", "warning", words, cure, (wanted.place,))

    def _add(self, wish: Wish) -> None:
        before = self._wishes.get(wish.name)
        if before is None or before.marker or wish.marker:
            key = wish.name if before is None else f"{wish.name} ; {wish.marker}"
            self._wishes[key] = wish
        elif wish.specifier and wish.specifier != before.specifier:
            self._merge(before, wish)

    def _merge(self, before: Wish, wish: Wish) -> None:
        """Two files ask for one package: both, where they agree; else the first, and that is said."""
        both = str(SpecifierSet(before.specifier) & SpecifierSet(wish.specifier))
        pins = {bound.version for bound in SpecifierSet(both) if bound.operator == "=="}
        if len(pins) > 1:
            words = f"{before.name} is asked for as {before.specifier} and as {wish.specifier}"
            places = (before.place, wish.place)
            self._fault("contradiction", "warning", words, f"The plan takes {before.specifier}.", places)
        else:
            self._wishes[before.name] = replace(before, specifier=both)

    def _fault(self, name: str, severity: Any, detail: str, cure: str, places: tuple[str, ...] = ()) -> None:
        self._faults.append(Fault(name, severity, detail, cure, tuple(place for place in places if place)))


def _pip_specifier(operator: str | None, version: str | None) -> str:
    """conda's `=1.8` is `==1.8.*`; what is no version is no condition."""
    if not operator or not version:
        return ""
    text = f"=={version.removesuffix('*').rstrip('.')}.*" if operator == "=" else f"{operator}{version}"
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        return ""


def _kind(scheme: str) -> str:
    if scheme in ("file", ""):
        return "a file of its author's machine"
    return "asked for with a key" if "ssh" in scheme else f"not https ({scheme})"
