"""The tables of this room: what is known of packages, names, calls and figures."""

from __future__ import annotations

from typing import Any

from lensmith.machine.tables import load_table


def table(name: str) -> dict[str, Any]:
    """A table by its name, as JSON has it; it is shared, and not to be changed."""
    return load_table(__package__, name)
