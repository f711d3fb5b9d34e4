"""The tables that lie beside the code: what is known of packages, names and releases, with date and source."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any


@functools.cache
def table(name: str) -> dict[str, Any]:
    """A table by its name, as JSON has it; it is shared, and not to be changed."""
    text = resources.files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
