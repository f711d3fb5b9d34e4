"""Where raw facts come from: this machine, or a file in which another one's were written down."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Part = Callable[[str], str]
"""What of a text is wanted; taking it twice gives the same."""


def whole(text: str) -> str:
    """All of a text."""
    return text


def literally(path: str) -> str:
    """The pattern that fits this very path, whatever letters are in it."""
    return re.sub(r"([*?[])", r"[\1]", path)


def is_count(text: str) -> bool:
    """Whether a text is a whole number that a machine may have said."""
    return text.isdecimal() and len(text) <= 18


@dataclass(frozen=True)
class Answer:
    """What a program printed, and its exit code; None where no answer came in time."""

    code: int | None
    text: str


@dataclass(frozen=True)
class Space:
    """The size of a file system and what is free on it, in bytes."""

    total: int
    free: int


@dataclass(frozen=True)
class Interpreter:
    """The Python that is asked about; `site` is where its packages are, `path` where it looks for modules."""

    version: str
    executable: str
    platform: str
    prefix: str
    base_prefix: str
    site: str
    path: tuple[str, ...]


class Source(Protocol):
    """Answers questions about one machine. `{site}` in a path stands for where packages are."""

    @property
    def python(self) -> Interpreter:
        """The Python that is asked about."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables."""

    @property
    def system(self) -> Mapping[str, str]:
        """What no file tells: `name`, `kernel`, `cores`, `memory`, `glibc`, as text, where it is known."""

    def text(self, path: str, part: Part = whole) -> str | None:
        """`part` of what a file holds; None where it cannot be read."""

    def excerpt(self, path: str, start: bytes, pattern: re.Pattern[bytes]) -> str:
        """The first match of `pattern` that begins at most 8 bytes before a `start`; for large binary files."""

    def names(self, pattern: str) -> tuple[str, ...]:
        """The files and folders that fit a pattern of the shell."""

    def size(self, path: str) -> int | None:
        """The length of a file in bytes; None where it is not there or not known."""

    def program(self, name: str) -> str | None:
        """Where a program is installed."""

    def run(self, command: Sequence[str], seconds: float, part: Part = whole) -> Answer | None:
        """What a program says within `seconds`; None where it is not installed."""

    def libcuda(self) -> Mapping[str, str]:
        """The driver library's answers: `cuDriverGetVersion`, `cuInit`; empty where it cannot be loaded."""

    def disk(self, places: Sequence[str]) -> Mapping[str, Space]:
        """Room in those of the places that answer; `.` is the working folder."""
