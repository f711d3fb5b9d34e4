"""A machine's raw facts as a text file: written down here, and answering elsewhere as the machine would have.

A capture is made of sections. `=== python` holds the interpreter, `=== environment` variables, `=== system` what
no file tells, `=== file PATH` a file's text or the part of it that was asked for, `=== command WORDS` what a
program said (`(exit 9)` and `(hangs)` behind it where it failed), `=== libcuda` the driver library's answers,
`=== df` the room on disks, `=== sizes` lengths of files, `=== programs` where programs are, `=== message` an error.
"""

from __future__ import annotations

import fnmatch
import functools
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lensmith.errors import UsageError
from lensmith.machine.installed import is_version
from lensmith.machine.printable import printable
from lensmith.machine.probes import ThisMachine, find_excerpt
from lensmith.machine.source import Answer, Interpreter, Part, Source, Space, is_count, whole

_SECTION = re.compile(r"^=== (\w+)(?: (.*))?$")
_ENDED = re.compile(r" \((?:exit (\d{1,9})|(hangs))\)$")
_UNKNOWN_QUERY = Answer(2, "")


def live() -> Source:
    """The machine that runs this."""
    return ThisMachine()


@dataclass(frozen=True)
class Capture:
    """A capture as read: the lines before the first section, the message that was pasted, and the facts."""

    headers: Mapping[str, str]
    message: str
    source: Source


def parse_capture(text: str) -> Capture:
    """Read a capture; UsageError where the text is none."""
    sections = list(_sections(printable(text)))
    headers = dict(_pairs(sections[0][2], ":"))
    replay = Replay()
    message = ""
    for kind, words, body in sections[1:]:
        if kind == "message":
            message = body
        else:
            replay.add(kind, words, body)
    if "python" not in {kind for kind, _, _ in sections}:
        raise UsageError(
            "this is no capture of a machine: it has no `=== python` section",
            hint="lensmith doctor --capture FILE writes one.",
        )
    version = replay.python.version
    if version and not is_version(version):
        raise UsageError(f"the capture's `=== python` section says version {version!r}, which is none")
    return Capture(headers, message, replay)


def _sections(text: str) -> Iterator[tuple[str, str, str]]:
    kind, words, lines = "", "", list[str]()
    for line in text.split("\n"):
        begins = _SECTION.match(line.rstrip())
        if begins:
            yield kind, words, "\n".join(lines).rstrip("\n")
            kind, words, lines = begins[1], (begins[2] or "").strip(), []
        else:
            lines.append(line)
    yield kind, words, "\n".join(lines).rstrip("\n")


def _pairs(body: str, between: str) -> Iterator[tuple[str, str]]:
    for line in body.splitlines():
        name, found, value = line.strip().partition(between)
        if found and name:
            yield name.strip(), value.strip()


@dataclass
class Replay:
    """The source that answers from a capture."""

    said_of_python: dict[str, list[str]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    system: dict[str, str] = field(default_factory=dict)
    _files: dict[str, str] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)
    _programs: dict[str, str] = field(default_factory=dict)
    _answers: dict[tuple[str, ...], Answer] = field(default_factory=dict)
    _libcuda: dict[str, str] = field(default_factory=dict)
    _disks: list[tuple[str, Space]] = field(default_factory=list)

    def add(self, kind: str, words: str, body: str) -> None:
        """Take a section; one of an unknown kind is left out."""
        tables = {
            "environment": (self.environment, "="),
            "system": (self.system, " "),
            "libcuda": (self._libcuda, " "),
            "programs": (self._programs, " "),
        }
        if kind in tables:
            table, between = tables[kind]
            table.update(_pairs(body, between))
        elif kind == "python":
            for name, value in _pairs(body, " "):
                self.said_of_python.setdefault(name, []).append(value)
        elif kind == "file":
            self._files[words] = body
        elif kind == "command":
            self._add_answer(words, body)
        elif kind == "df":
            self._disks += _parse_disks(body)
        elif kind == "sizes":
            sizes = ((path, size) for size, path in _pairs(body, " ") if is_count(size))
            self._sizes.update({path: int(size) for path, size in sizes})

    def _add_answer(self, words: str, body: str) -> None:
        ended = _ENDED.search(words)
        code = 0 if ended is None else None if ended[2] else int(ended[1])
        self._answers[_split(_ENDED.sub("", words))] = Answer(code, body)

    @functools.cached_property
    def python(self) -> Interpreter:
        """The Python of that machine; what was not said of it is what is usual."""
        said = {name: values[0] for name, values in self.said_of_python.items()}
        prefix = said.get("prefix", "")
        minor = ".".join(said.get("version", "").split(".")[:2])
        platform = said.get("platform", "linux_x86_64")
        of_windows = platform.startswith("win")
        usual = f"{prefix}/Lib/site-packages" if of_windows else f"{prefix}/lib/python{minor}/site-packages"
        site = said.get("site", usual)
        return Interpreter(
            version=said.get("version", ""),
            executable=said.get("executable", ""),
            platform=platform,
            prefix=prefix,
            base_prefix=said.get("base_prefix", prefix),
            site=_slashed(site),
            path=tuple(map(_slashed, self.said_of_python.get("path", (*self._usual_path(minor), site)))),
        )

    def _usual_path(self, minor: str) -> Iterator[str]:
        between = ";" if self.said_of_python.get("platform", [""])[0].startswith("win") else ":"
        yield from filter(None, self.environment.get("PYTHONPATH", "").split(between))
        if "PYTHONNOUSERSITE" in self.environment:
            return
        of_the_user = re.compile(rf"(.*/\.local/lib/python{re.escape(minor)}/site-packages)/")
        yield from dict.fromkeys(found[1] for file in self._files if (found := of_the_user.match(file)))

    def text(self, path: str, part: Part = whole) -> str | None:
        """`part` of the file's section."""
        body = self._file(path)
        return None if body is None else part(body)

    def excerpt(self, path: str, start: bytes, pattern: re.Pattern[bytes]) -> str:
        """See `Source.excerpt`."""
        return find_excerpt((self._file(path) or "").encode(), start, pattern)

    def names(self, pattern: str) -> tuple[str, ...]:
        """Files that have a section, and the folders above them."""
        fits = re.compile(fnmatch.translate(self._place(pattern)).replace(".*", "[^/]*"))
        return tuple(sorted(path for path in self._there if fits.match(path)))

    def size(self, path: str) -> int | None:
        """What the section `sizes` says."""
        return self._sizes.get(self._place(path))

    def program(self, name: str) -> str | None:
        """A program that said something is installed."""
        spoke = any(words[:1] == (name,) for words in self._answers)
        return self._programs.get(name, name if spoke else None)

    def run(self, command: Sequence[str], seconds: float, part: Part = whole) -> Answer | None:
        """What it said to these words; a program that said something to others does not know them."""
        answer = self._answers.get(tuple(command))
        if answer is None:
            return _UNKNOWN_QUERY if self.program(command[0]) else None
        return Answer(answer.code, part(answer.text))

    def libcuda(self) -> Mapping[str, str]:
        """Empty for `missing`."""
        return self._libcuda

    def disk(self, places: Sequence[str]) -> Mapping[str, Space]:
        """As df told: the row of the place itself, or of the innermost folder above it."""
        rows = dict(self._disks)
        found = {}
        for place in places:
            path = self._place(place)
            above = [path, *(path[:end] for end in reversed(_slashes(path))), "/"]
            told = next((rows[one] for one in (place, *above) if one in rows), None)
            if told is not None:
                found[place] = told
        return found

    def _file(self, path: str) -> str | None:
        return self._bodies.get(self._place(path))

    @functools.cached_property
    def _bodies(self) -> dict[str, str]:
        return {self._place(path): body for path, body in self._files.items()}

    @functools.cached_property
    def _there(self) -> set[str]:
        folders = {path[:place] for path in self._bodies for place in _slashes(path)}
        return self._bodies.keys() | folders

    def _place(self, path: str) -> str:
        return _slashed(path.replace("{site}", self.python.site))


def _slashed(path: str) -> str:
    """Windows' separators as everybody's; no path of another system holds one."""
    return path.replace("\\", "/")


def _slashes(path: str) -> list[int]:
    return [place for place, letter in enumerate(path) if letter == "/" and place > 0]


def _split(words: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(words))
    except ValueError:  # a quote that is not closed
        return tuple(words.split())


def _parse_disks(body: str) -> Iterator[tuple[str, Space]]:
    """The lines of `df -kP`; the header has no numbers."""
    for line in body.splitlines():
        row = line.split(None, 5)
        if len(row) == 6 and is_count(row[1]) and is_count(row[3]):
            yield row[5], Space(int(row[1]) * 1024, int(row[3]) * 1024)
