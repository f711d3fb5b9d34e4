"""The tables beside the code: what is known of builds, GPUs, messages and packages, with date and source."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any


@functools.cache
def load_table(room: str, name: str) -> dict[str, Any]:
    """`NAME.json` of a room's package; it is read once and shared, and not to be changed."""
    table: dict[str, Any] = json.loads(
        resources.files(room).joinpath(f"{name}.json").read_text(encoding="utf-8")
    )
    return table
