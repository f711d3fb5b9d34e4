"""What is installed in this environment under a few roots, with what it takes to install it elsewhere."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from urllib.parse import urlsplit, urlunsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

# More ways than this to come by a package are as good as always.
_MOST_WAYS = 4


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
    ways: dict[str, set[str]] = defaultdict(set)
    seen: set[tuple[str, str, str]] = set()
    waiting = [(Requirement(root), "") for root in roots]
    while waiting:
        wanted, way = waiting.pop()
        name = canonicalize_name(wanted.name)
        found = _find(name)
        if found is None:
            continue
        ways[name].add(way)
        for extra in ("", *wanted.extras):
            if (name, extra, way) not in seen:
                seen.add((name, extra, way))
                waiting += [(need, _and(way, _condition(need))) for need in _needs(found, extra)]
    return [_package(name, ways[name]) for name in sorted(ways)]


def read_package(name: str) -> Package | None:
    """An installed package by itself; None where it is not there."""
    return _package(canonicalize_name(name), {""}) if _find(name) else None


def _find(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except (PackageNotFoundError, ValueError):  # a name of nothing is a ValueError
        return None


def _needs(found: Distribution, extra: str) -> Iterator[Requirement]:
    for line in found.requires or ():
        try:
            need = Requirement(line)
        except InvalidRequirement:
            continue
        if need.marker is None or need.marker.evaluate({"extra": extra}):
            yield need


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


def _package(name: str, ways: set[str]) -> Package:
    found = distribution(name)
    always = "" in ways or len(ways) > _MOST_WAYS
    marker = "" if always else " or ".join(sorted(_bracketed_and(way) for way in ways))
    reference, obstacle, doubt = _origin(name, found)
    return Package(name, found.version, marker, reference, obstacle, doubt)


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
            return "", "", "it was installed from a file, and the index may hold another of this version"
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
