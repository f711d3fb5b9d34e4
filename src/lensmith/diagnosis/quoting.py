"""Commands as one line that can be pasted into a shell."""

from __future__ import annotations

import os
import re
import shlex

Command = tuple[str, ...]
_OF_WINDOWS = re.compile(r"^[A-Za-z]:[\\/]|\\.*\.exe$")
"""Of a Windows machine that was written down and is looked at elsewhere."""
_BARE = re.compile(r"[\w.:\\/=+-]+")


def paste(command: Command) -> str:
    """The command as one line: for a POSIX shell, or for both shells of Windows where it is one of theirs."""
    if os.name == "posix" and not _OF_WINDOWS.search(command[0]):
        return shlex.join(command)
    first, *words = command
    return " ".join([_program(first), *(word if _BARE.fullmatch(word) else f'"{word}"' for word in words)])


def _program(path: str) -> str:
    r"""A program as cmd and PowerShell both take it: `C:\"my env"\python.exe`.

    PowerShell takes a line that begins with a quote for a text to be shown, and its `&` is an error to cmd. Quotes
    within a word both take off (PowerShell's tokenizer, ScanGenericToken).
    """
    parts = re.split(r"([\\/])", path)
    quoted = [f'"{part}"' if part and not _BARE.fullmatch(part) else part for part in parts]
    # A path within the working folder that begins with a quote needs something bare before it.
    return "".join(quoted) if not quoted[0].startswith('"') else ".\\" + "".join(quoted)
