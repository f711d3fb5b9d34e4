"""Writing down what a machine answers, for somebody who is not there: `lensmith doctor --capture FILE`.

Nothing private is written: the home folder is `~`, the user's name in other paths is `user`, variables are those
that tell something of CUDA, Python and where the process runs, and what looks like a token is blotted out.
"""

from __future__ import annotations

import getpass
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lensmith.machine.source import Answer, Interpreter, Part, Source, Space, whole
from lensmith.machine.variables import blot, read_variables

_SYSTEM_FOLDERS = ("proc", "sys", "dev", "usr", "etc", "run", "lib", "lib64", "bin", "opt", "var")


@dataclass
class Recorder:
    """Passes each question on, and keeps the answer."""

    _asked: Source
    _files: dict[str, str] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)
    _programs: dict[str, str] = field(default_factory=dict)
    _answers: dict[tuple[str, ...], Answer] = field(default_factory=dict)
    _libcuda: Mapping[str, str] = field(default_factory=dict)
    _disks: dict[str, Space] = field(default_factory=dict)

    @property
    def python(self) -> Interpreter:
        """The Python that is asked about."""
        return self._asked.python

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables."""
        return self._asked.environment

    @property
    def system(self) -> Mapping[str, str]:
        """What no file tells."""
        return self._asked.system

    def text(self, path: str, part: Part = whole) -> str | None:
        """See `Source.text`."""
        answer = self._asked.text(path, part)
        if answer is not None:
            self._files[self._place(path)] = answer
        return answer

    def excerpt(self, path: str, start: bytes, pattern: re.Pattern[bytes]) -> str:
        """See `Source.excerpt`."""
        answer = self._asked.excerpt(path, start, pattern)
        if answer:
            self._files[self._place(path)] = answer
        return answer

    def names(self, pattern: str) -> tuple[str, ...]:
        """See `Source.names`."""
        answer = self._asked.names(pattern)
        for name in answer:
            self._files.setdefault(name, "")
        return answer

    def size(self, path: str) -> int | None:
        """See `Source.size`."""
        answer = self._asked.size(path)
        if answer is not None:
            self._sizes[self._place(path)] = answer
        return answer

    def program(self, name: str) -> str | None:
        """See `Source.program`."""
        answer = self._asked.program(name)
        if answer is not None:
            self._programs[name] = answer
        return answer

    def run(self, command: Sequence[str], seconds: float, part: Part = whole) -> Answer | None:
        """See `Source.run`."""
        answer = self._asked.run(command, seconds, part)
        if answer is not None:
            self._answers[tuple(command)] = answer
        return answer

    def libcuda(self) -> Mapping[str, str]:
        """See `Source.libcuda`."""
        self._libcuda = self._asked.libcuda()
        return self._libcuda

    def disk(self, places: Sequence[str]) -> Mapping[str, Space]:
        """See `Source.disk`."""
        answer = self._asked.disk(places)
        self._disks.update(answer)
        return answer

    def written(self) -> str:
        """Everything that was asked and answered, as a capture."""
        text = "".join(f"=== {head}\n{_body(body)}" for head, body in self._sections())
        return blot(without_the_user(text, str(Path.home()), _user()))

    def _place(self, path: str) -> str:
        return path.replace("{site}", self.python.site)

    def _sections(self) -> Iterator[tuple[str, str]]:
        yield "python", "\n".join(_of_python(self.python))
        yield "environment", _table(read_variables(self.environment), "=")
        yield "system", _table(self.system, " ")
        for path, text in self._files.items():
            yield f"file {path}", text
        if self._sizes:
            yield "sizes", "\n".join(f"{size} {path}" for path, size in self._sizes.items())
        if self._programs:
            yield "programs", _table(self._programs, " ")
        for words, answer in self._answers.items():
            ended = (
                "" if answer.code == 0 else " (hangs)" if answer.code is None else f" (exit {answer.code})"
            )
            yield f"command {shlex.join(words)}{ended}", answer.text
        yield "libcuda", _table(self._libcuda, " ") or "missing"
        if self._disks:
            rows = (
                f"- {room.total // 1024} {(room.total - room.free) // 1024} {room.free // 1024} - {place}"
                for place, room in self._disks.items()
            )
            yield "df", "\n".join(("Filesystem 1024-blocks Used Available Capacity Mounted on", *rows))


def _of_python(python: Interpreter) -> Iterator[str]:
    for name in ("version", "executable", "platform", "prefix", "base_prefix", "site"):
        yield f"{name} {getattr(python, name)}"
    for folder in python.path:
        yield f"path {folder}"


def _table(said: Mapping[str, str], between: str) -> str:
    return "\n".join(f"{name}{between}{value}" for name, value in said.items())


def _body(text: str) -> str:
    """A line that would begin a section is moved in by a space."""
    inside = re.sub(r"^(?==== )", " ", text.rstrip("\n"), flags=re.MULTILINE)
    return f"{inside}\n" if inside else ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return ""


def without_the_user(text: str, home: str, user: str) -> str:
    """The text with `~` for the home folder, and `user` for the user's name in other paths."""
    if len(home) > 1:
        text = re.sub(re.escape(home) + r"(?![\w.-])", "~", text)
    if not user or user == "root":
        return text

    def clean(found: re.Match[str]) -> str:
        first, *others = re.split(r"([/\\])", found[0][1:])
        if first in _SYSTEM_FOLDERS:
            return found[0]
        return found[0][0] + first + "".join("user" if one == user else one for one in others)

    return re.sub(r"[/\\][^\s:;,'\"=]+", clean, text)
