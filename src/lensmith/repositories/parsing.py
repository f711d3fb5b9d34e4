"""Parsers that stay whole: foreign text is parsed in a process of its own, with limits on time and memory.

A text can be made so that its parser recurses, swells or crashes. What happens then is that process's end, and a
reason why this one text was not read.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

Kind = Literal["python", "setup", "yaml", "toml", "json"]
SECONDS = 10.0
"""For one text; a second is enough for a file of 10,000 lines."""
_SERVE = (
    "import sys; sys.path += sys.argv[1:]; from lensmith.repositories.parser_process import serve; serve()"
)


@dataclass(frozen=True)
class Parsed:
    """What a parser made of a text, or why it made nothing."""

    value: Any = None
    reason: str = ""


class Parser:
    """A process that parses one text after another; a new one takes the place of one that died."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._end()

    def parse(self, kind: Kind, text: str) -> Parsed:
        """The text's value as JSON has it; for `python` and `setup` see `python_source` and `setup_script`."""
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = _start()
        process, late = self._process, threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            answer = _ask(process, json.dumps([kind, text]))
        finally:
            timer.cancel()
        if not answer:
            self._end()
            return Parsed(
                reason=f"takes more than {self._seconds:g} s to parse" if late.is_set() else "ends its parser"
            )
        try:
            value, reason = json.loads(answer)
        except (ValueError, RecursionError):
            return Parsed(reason="nests too deep")
        return Parsed(value, reason)

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _ask(process: subprocess.Popen[str], question: str) -> str:
    assert process.stdin and process.stdout
    try:
        process.stdin.write(question + "\n")
        process.stdin.flush()
        return process.stdout.readline()
    except OSError:
        return ""


def _start() -> subprocess.Popen[str]:
    """Isolated: no site, no PYTHON variables, and nothing of the working folder can be imported by it."""
    yaml = find_spec("yaml")
    places = [Path(__file__).parents[2], *([Path(yaml.origin).parents[1]] if yaml and yaml.origin else [])]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _SERVE, *map(str, places)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parent,
        encoding="utf-8",
    )
