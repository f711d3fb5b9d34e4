"""What is installed in this environment under a few roots, with what it takes to install it elsewhere."""

from __future__ import annotations

import functools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from urllib.parse import urlsplit, urlunsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from lensmith.machine.installed import headers

# More ways than this to come by a package are as good as always.
_MOST_WAYS = 4
FROM_A_FILE = "it was installed from a file, and the index may hold another of this version"
_BRACKETED = re.compile(r"\([^()]*\)")
_EXTRA = re.compile(r"\bextra\s*==\s*['\"]([^'\"]+)")


@dataclass(frozen=True)
class Package:
    """One package as it was installed.

    marker: the systems that need it, empty for all; reference: where it comes from, as PEP 508 writes it
    (`name @ git+https://...@commit`), empty for a package index; obstacle: why it cannot be installed
    elsewhere by these words, empty where it can; doubt: why another may be installed by them.
    """

    name: str
    version: str
    marker: str = ""
    reference: str = ""
    obstacle: str = ""
    doubt: str = ""

    @property
    def local(self) -> str:
        """`cu126` of 2.14.1+cu126: the folder of PyTorch's own index that it came from."""
        local = self.version.partition("+")[2]
        is_torch = self.name in ("torch", "torchvision", "torchaudio") and re.fullmatch(r"cu\d+|cpu", local)
        return local if is_torch else ""

    @property
    def line(self) -> str:
        """As pip takes it."""
        base = self.reference or f"{self.name}=={self.version}"
        return f"{base} ; {self.marker}" if self.marker else base


def installed_tree(roots: Iterable[str]) -> list[Package]:
    """The roots (`lensmith[train]`) and all that they need, as far as it is installed, by name.

    An extra counts as far as its packages are there. Source of direct_url.json: PEP 610.
    """
    find = functools.cache(_find)
    needs = functools.cache(lambda name, extra: tuple(_needs(find(name), extra)))
    ways: dict[str, set[str]] = defaultdict(set)
    seen: set[tuple[str, str, str]] = set()
    waiting = [(Requirement(root), "") for root in roots]
    while waiting:
        wanted, way = waiting.pop()
        name = canonicalize_name(wanted.name)
        if find(name) is None:
            continue
        ways[name].add(way)
        for extra in ("", *wanted.extras):
            if (name, extra, way) not in seen:
                seen.add((name, extra, way))
                waiting += [(need, _and(way, _condition(need))) for need in needs(name, extra)]
    return [_package(found, ways[name]) for name in sorted(ways) if (found := find(name))]


def read_package(name: str) -> Package | None:
    """An installed package by itself; None where it is not there."""
    found = _find(canonicalize_name(name))
    return _package(found, {""}) if found else None


@dataclass(frozen=True)
class _Found:
    """What a distribution says of itself, read once and without its long description."""

    name: str
    version: str
    needs: tuple[str, ...]
    distribution: Distribution


def _find(name: str) -> _Found | None:
    try:
        found = distribution(name)
    except (PackageNotFoundError, ValueError):  # a name of nothing is a ValueError
        return None
    wheel = found.read_text("METADATA")
    told = headers(wheel or found.read_text("PKG-INFO") or "")
    version = re.search(r"^Version:[ \t]*(.+)$", told, re.MULTILINE)
    if version is None:  # what an interrupted installation left
        return None
    needs = re.findall(r"^Requires-Dist:[ \t]*(.+)$", told, re.MULTILINE) if wheel else found.requires or ()
    return _Found(name, version[1].strip(), tuple(needs), found)


def _needs(found: _Found | None, extra: str) -> Iterator[Requirement]:
    for line in found.needs if found else ():
        if _is_of_others(line, extra):
            continue
        try:
            need = Requirement(line)
        except InvalidRequirement:
            continue
        if need.marker is None or need.marker.evaluate({"extra": extra}):
            yield need


def _is_of_others(line: str, extra: str) -> bool:
    """Whether it is of other extras alone, as most lines are: parsing them all takes longer than anything here."""
    named = {canonicalize_name(one) for one in _EXTRA.findall(line)}
    has_other_ways = " or " in _BRACKETED.sub("", line)
    return bool(named) and not has_other_ways and canonicalize_name(extra) not in named


def _condition(need: Requirement) -> str:
    """A marker without extras: those were asked for, and hold wherever this is installed."""
    words = str(need.marker) if need.marker else ""
    return "" if "extra" in words else words


def _and(one: str, other: str) -> str:
    if not one or not other or one == other:
        return one or other
    return f"{_bracketed(one)} and {_bracketed(other)}"


def _bracketed(words: str) -> str:
    return f"({words})" if " or " in words else words


def _package(found: _Found, ways: set[str]) -> Package:
    always = "" in ways or len(ways) > _MOST_WAYS
    marker = "" if always else " or ".join(sorted(_bracketed_and(way) for way in ways))
    reference, obstacle, doubt = _origin(found.name, found.distribution)
    return Package(found.name, found.version, marker, reference, obstacle, doubt)


def _bracketed_and(words: str) -> str:
    return f"({words})" if " and " in words else words


def _origin(name: str, found: Distribution) -> tuple[str, str, str]:
    """A reference that loads elsewhere, an obstacle, a doubt; nothing for a package of an index."""
    try:
        told = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        return "", "its direct_url.json cannot be read", ""
    url = str(told.get("url", ""))
    if not url:
        return "", "", ""
    if url.startswith("file:"):
        if "dir_info" not in told:
            return "", "", FROM_A_FILE
        is_editable = bool((told["dir_info"] or {}).get("editable"))
        return (
            "",
            "it was installed from a folder of this machine" + (", editable" if is_editable else ""),
            "",
        )
    clean = _without_password(url)
    if told.get("vcs_info"):
        vcs, commit = told["vcs_info"].get("vcs", "git"), told["vcs_info"].get("commit_id", "")
        part = f"#subdirectory={told['subdirectory']}" if told.get("subdirectory") else ""
        return f"{name} @ {vcs}+{clean}@{commit}{part}", "", ""
    digest = str((told.get("archive_info") or {}).get("hash", ""))
    return f"{name} @ {clean}" + (f"#{digest}" if digest else ""), "", ""


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
