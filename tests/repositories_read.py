"""Readings written by hand, for what comes after reading."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

from machines import READY

from lensmith.provisioning.plan import Plan
from lensmith.provisioning.proposing import plan_reproduction
from lensmith.repositories.reading import Fault, Reading, Wanted

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The Python that is there wherever these tests run."""


def reading(
    *wanted: str, conda: tuple[str, ...] = (), root: Path = Path("/somewhere/repo"), **facts: Any
) -> Reading:
    """A repository whose requirements.txt holds these lines, and its environment.yml `conda`.

    It is of a day on which every Python of these tests had settled.
    """
    lines = [Wanted(text, f"requirements.txt:{place}", "pip", text) for place, text in enumerate(wanted, 1)]
    lines += [Wanted(text, f"environment.yml:{place}", "conda", text) for place, text in enumerate(conda, 1)]
    return Reading(root=root, wanted=tuple(lines), **{"date": date(2026, 9, 1), **facts})


def planned(found: Reading, machine: Any = READY, **words: Any) -> Plan:
    """Its plan on a CPU, for the Python that is here."""
    return plan_reproduction(found, machine, **{"python": HERE, **words})


def fault(faults: tuple[Fault, ...], name: str) -> Fault:
    """The one fault of that name."""
    (found,) = [one for one in faults if one.name == name]
    return found
