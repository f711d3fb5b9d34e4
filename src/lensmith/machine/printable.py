"""Text of somebody else, without what would steer the terminal of whoever reads it."""

from __future__ import annotations

import re

# Besides the control characters, those that turn or hide text: a terminal obeys them too.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def printable(text: str) -> str:
    """Lines and tabs are kept; every line ends as on Unix."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n"))
