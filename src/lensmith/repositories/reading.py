"""What is in somebody's repository, as it was read: nothing of it was run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date as Date
from pathlib import Path
from typing import Any, Literal

Severity = Literal["info", "warning", "error"]
Channel = Literal["pip", "conda"]


@dataclass(frozen=True)
class Fault:
    """What goes wrong on a new machine, or may. detail: what is found and what happens; cure: what to do; places:
    `train.py:12`, a few of them where there are many; unless: what makes it none where it is installed, such as
    `numpy<1.24`."""

    name: str
    severity: Severity
    detail: str
    cure: str = ""
    places: tuple[str, ...] = ()
    unless: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {**vars(self), "places": list(self.places)}


@dataclass(frozen=True)
class Wanted:
    """One package that is asked for. requirement: as pip takes it (PEP 508), also where conda is asked; channel:
    `pip` or `conda`; original: as it is written."""

    requirement: str
    place: str
    channel: Channel = "pip"
    original: str = ""


@dataclass(frozen=True)
class Claim:
    """A number that a README claims. metric: in the spelling of the README, in lower case; value: 0 to 1 for shares;
    text: the sentence, or the row of the table with what stands above the number."""

    metric: str
    value: float
    place: str
    text: str


@dataclass(frozen=True)
class Reading:
    """A repository as it was read.

    date: of the commit, else of the newest file; python: a specifier, "" where none is said; cuda: "11.7"; indexes:
    package indexes asked for beside the default one; imports: distribution -> places that import it, without the
    standard library and the repository's own modules; undeclared: those of `imports` that nothing asks for;
    commands: `(command, place)` from README files; extensions: places that compile; links: `(address, place)` of data
    and weights; files: how many were read; skipped: path -> reason.
    """

    root: Path
    url: str | None = None
    commit: str | None = None
    date: Date | None = None
    python: str = ""
    cuda: str | None = None
    wanted: tuple[Wanted, ...] = ()
    indexes: tuple[str, ...] = ()
    imports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    undeclared: tuple[str, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    claims: tuple[Claim, ...] = ()
    extensions: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    faults: tuple[Fault, ...] = ()
    files: int = 0
    skipped: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        plain = {
            **vars(self),
            "root": str(self.root),
            "date": self.date.isoformat() if self.date else None,
            "wanted": [vars(one) for one in self.wanted],
            "imports": {name: list(places) for name, places in self.imports.items()},
            "commands": [{"command": command, "place": place} for command, place in self.commands],
            "claims": [vars(one) for one in self.claims],
            "links": [{"url": url, "place": place} for url, place in self.links],
            "faults": [one.as_dict() for one in self.faults],
        }
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
