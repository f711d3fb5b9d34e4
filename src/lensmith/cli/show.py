"""What a person sees: data on stdout, words and progress on stderr; readable without colour."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from lensmith.types import Event

_BAR = 24


def data(value: Any) -> None:
    """One JSON object on stdout."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def line(text: str = "") -> None:
    """One plain line on stdout, for a person who asked for exactly this."""
    print(text, flush=True)


def say(text: str = "") -> None:
    """A line of words on stderr."""
    Progress.clear()
    print(text, file=sys.stderr, flush=True)


def error(message: str, hint: str = "") -> None:
    """An error, and the next step under it."""
    say(f"{paint('error:', '31')} {message}")
    if hint:
        say(f"  {paint('hint:', '36')} {hint}")


def paint(text: str, colour: str) -> str:
    """`text` in an ANSI colour where stderr is a terminal and NO_COLOR is unset."""
    if not _is_terminal() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Progress:
    """Events as lines; on a terminal the counting ones as a bar that overwrites itself."""

    _open = False

    @classmethod
    def clear(cls) -> None:
        """Wipe a bar that stands on the terminal."""
        if cls._open:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
            cls._open = False

    @classmethod
    def show(cls, event: Event) -> None:
        """Show one event; a log gets only the events that end something."""
        if event.done >= event.total:
            say(f"{event.stage:>9}  {event.words}" if event.stage else event.words)
        elif _is_terminal():
            filled = _BAR * event.done // event.total
            bar = "█" * filled + "░" * (_BAR - filled)
            text = f"{event.stage:>9}  {bar} {event.done:,}/{event.total:,} {event.words}"
            print(f"\r\x1b[2K{text[: _width() - 1]}", end="", file=sys.stderr, flush=True)
            cls._open = True


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 100
    except OSError:
        return 100
