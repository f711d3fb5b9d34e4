"""Packages as a run writes them down: name -> version, and behind it why no index has that one, where it has not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from lensmith.environments.installed import FROM_A_FILE, Package, installed_tree, read_package

OWN = "lensmith"
ROOTS = ("lensmith[train,serve,explain]",)
_MOST = 2000


def record_packages(more: Iterable[str] = ()) -> dict[str, str]:
    """All that lensmith with its extras, and `more`, needs and finds here. JSON."""
    return {one.name: _told(one) for one in installed_tree((*ROOTS, *more))}


def recorded_packages(facts: Mapping[str, Any]) -> dict[str, Package]:
    """The packages of a run's facts, which anybody may have written; empty where it names none."""
    told = facts.get("packages")
    if not isinstance(told, dict) or len(told) > _MOST:
        return {}
    return {name: as_recorded(name, str(words)) for name, words in told.items()}


def as_recorded(name: str, words: str) -> Package:
    """A package of a run's facts: a file of pins is no place for other lines.

    Whether lensmith is on an index is told by how it came here.
    """
    version, _, why = words.partition(", ")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or not is_plain_version(version):
        return Package(plain(name), plain(version), obstacle="that is no name with a version")
    if why and why != FROM_A_FILE:
        return Package(canonicalize_name(name), version, obstacle=plain(why))
    own = read_package(name) if name == OWN else None
    return Package(canonicalize_name(name), version, obstacle=own.obstacle if own else "", doubt=plain(why))


def plain(value: object) -> str:
    """What a file of somebody says, in one short line that moves no cursor."""
    return "".join(one if one.isprintable() else "?" for one in str(value))[:200]


def is_plain_version(text: str) -> bool:
    """Whether it is a version and nothing else."""
    try:
        return bool(Version(text)) and text == text.strip()
    except InvalidVersion:
        return False


def _told(package: Package) -> str:
    origin = f"it came from {package.reference}" if package.reference else ""
    return ", ".join(filter(None, (package.version, origin or package.obstacle or package.doubt)))
