"""What the files of a repository ask for, gathered from one after another."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from lensmith.repositories.parsing import Kind, Parser
from lensmith.repositories.reading import Channel, Fault, Severity, Wanted
from lensmith.repositories.tables import table
from lensmith.repositories.tree import LARGEST, Tree, shown

_MOST_PLACES = 12
_MOST_ALIKE = 8
Said = list[tuple[str, str]]
"""`(value, place)`, the most trustworthy first."""


@dataclass
class Asked:
    """What was found so far; a reader of one kind of file adds to it."""

    tree: Tree
    parser: Parser
    wanted: list[Wanted] = field(default_factory=list)
    indexes: Said = field(default_factory=list)
    python: Said = field(default_factory=list)
    cuda: Said = field(default_factory=list)
    faults: dict[tuple[str, str], Fault] = field(default_factory=dict)

    def parsed(self, kind: Kind, path: str, largest: int = LARGEST) -> object:
        """A file's value; None where it cannot be parsed, which is then told."""
        return self.parse(kind, path, self.tree.text(path, largest))

    def parse(self, kind: Kind, path: str, text: str) -> Any:
        """The same from its text, where that is not all of the file."""
        if not text.strip():
            return None
        done = self.parser.parse(kind, text)
        if done.reason:
            self.tree.skip(path, done.reason)
            self.fault(
                "unreadable file",
                "warning",
                f"{shown(path)} {done.reason}",
                "Look at it by hand.",
                shown(path),
            )
        return done.value

    def want(self, requirement: str, place: str, channel: Channel = "pip", original: str = "") -> None:
        """Note one package, as pip takes it."""
        one = Wanted(requirement, place, channel, original or requirement)
        if one not in self.wanted:
            self.wanted.append(one)

    def fault(
        self, name: str, severity: Severity, detail: str, cure: str, place: str = "", unless: str = ""
    ) -> None:
        """Note a fault; the same one elsewhere adds its place."""
        alike = [each for each, _ in self.faults if each == name]
        if (name, detail) not in self.faults and len(alike) >= _MOST_ALIKE:
            detail, unless = f"and more of this kind: {name}", ""
        known = self.faults.get((name, detail))
        places = known.places if known else ()
        if place and place not in places and len(places) < _MOST_PLACES:
            places = (*places, place)
        self.faults[(name, detail)] = Fault(name, severity, detail, cure, places, unless)


def requirement_of(text: str) -> Requirement | None:
    """A requirement of PEP 508, or None."""
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError):
        return None


def name_of(wanted: Wanted) -> str:
    """The canonical name of what is asked for, "" for what has none."""
    requirement = requirement_of(wanted.requirement)
    return canonicalize_name(requirement.name) if requirement else ""


def meant_by(name: str) -> str:
    """The package that people mean who ask for a name, in lower case: scikit-learn by sklearn; mostly the same."""
    return str(table("known_packages")["meant"].get(name, name))


def exact_version(requirement: Requirement) -> Version | None:
    """The version that is asked for with `==`, without what follows a plus or a star."""
    found = re.search(r"==\s*(\d[\w.]*?)(?:\.\*|\+[\w.]+)?(?:,|$)", str(requirement.specifier))
    try:
        return Version(found[1]) if found else None
    except InvalidVersion:
        return None


def line_of(text: str, word: str) -> int:
    """The line on which a word first stands, counted from 1."""
    found = re.search(rf"(?<![\w.-]){re.escape(word)}", text)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def inside(folder: str, path: str) -> str:
    """A path that a file of `folder` names, within the root; "" where it leads out."""
    if re.match(r"[/\\~]|[A-Za-z]:", path):
        return ""
    joined = posixpath.normpath(posixpath.join(folder, path.replace("\\", "/")))
    return "" if joined.startswith("..") else joined
