"""What a person sees: data on stdout, words and progress on stderr; readable without colour."""

from __future__ import annotations

import io
import json
import os
import sys
import textwrap
from typing import Any, BinaryIO

from lensmith.types import Event

_BAR = 24
_STAGE = 9
_COLUMNS = 100


def survive_narrow_encodings() -> None:
    """A class name that the terminal's encoding lacks is shown by its code, and ends nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def data(value: Any) -> None:
    """One JSON object on stdout; in ASCII where stdout cannot take more."""
    narrow = not (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    print(json.dumps(value, ensure_ascii=narrow), flush=True)


def line(text: str = "") -> None:
    """One plain line on stdout, for a person who asked for exactly this."""
    print(text, flush=True)


def say(text: str = "") -> None:
    """A line of words on stderr."""
    Progress.clear()
    _write(f"{text}\n")


def repeat(log: BinaryIO) -> None:
    """Say the lines that a log has got since it was last read, but for one that is not whole yet."""
    while row := log.readline():
        if not row.endswith(b"\n"):
            log.seek(-len(row), os.SEEK_CUR)
            return
        say(row.decode("utf-8", errors="replace").rstrip())


def entry(stage: str, words: str) -> None:
    """Words with their stage before them, at most 100 columns wide."""
    rows = textwrap.wrap(words, _COLUMNS - _STAGE - 2, break_long_words=False, break_on_hyphens=False)
    for row in rows or [""]:
        say(f"{stage:>{_STAGE}}  {row}")
        stage = ""


def _write(text: str) -> None:
    """To stderr, if anybody still listens there: work does not end because a terminal was closed."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


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
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Progress:
    """Events as lines; on a terminal the counting ones as a bar that overwrites itself."""

    _open = False

    @classmethod
    def clear(cls) -> None:
        """Wipe a bar that stands on the terminal."""
        if cls._open:
            _write("\r\x1b[2K")
            cls._open = False

    @classmethod
    def show(cls, event: Event) -> None:
        """Show one event; a log gets only the events that end something."""
        if event.done > event.total == 0:
            cls._overwrite(f"{event.stage:>{_STAGE}}  {event.done:,} {event.words}")
        elif event.done >= event.total:
            entry(event.stage, event.words)
        else:
            filled = _BAR * event.done // event.total
            bar = "█" * filled + "░" * (_BAR - filled)
            cls._overwrite(f"{event.stage:>{_STAGE}}  {bar} {event.done:,}/{event.total:,} {event.words}")

    @classmethod
    def _overwrite(cls, text: str) -> None:
        if _is_terminal():
            _write(f"\r\x1b[2K{text[: _width() - 1]}")
            cls._open = True


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 100
    except OSError:
        return 100
