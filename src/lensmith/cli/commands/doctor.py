"""`lensmith doctor`."""

from __future__ import annotations


def doctor() -> int:
    """Is this machine ready, and what mends it."""
    return 0
