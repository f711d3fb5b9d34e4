"""STAND-IN: part reading replaces this."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date as Date
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Fault:
    """To come."""

    name: str
    severity: Literal["info", "warning", "error"]
    detail: str
    cure: str = ""
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """To come."""

    requirement: str
    place: str
    channel: str = "pip"
    original: str = ""


@dataclass(frozen=True)
class Claim:
    """To come."""

    metric: str
    value: float
    place: str
    text: str


@dataclass(frozen=True)
class Reading:
    """To come."""

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
    faults: tuple[Fault, ...] = ()
    files: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
