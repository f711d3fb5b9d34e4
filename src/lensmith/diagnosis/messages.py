"""What a pasted error message or log means on this machine: the table in `messages.json`, and the rules over it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from packaging.specifiers import SpecifierSet

from lensmith.diagnosis.cures import install, remove
from lensmith.diagnosis.doctor import GIB, Finding, diagnose
from lensmith.diagnosis.homes import home_of
from lensmith.diagnosis.mending import is_ours
from lensmith.diagnosis.quoting import Command
from lensmith.diagnosis.transcript import Ending, clean, find_ending, one_line
from lensmith.machine.facts import Machine
from lensmith.machine.tables import load_table

MESSAGE = "message"
"""The name of the findings that explain a text."""
_MOST_TEXT = 2**20
_MOST_QUOTED = 120
_PLACE = re.compile(r"\{(\w+)\}")
VERBS = ("install", "remove", "empty-cache")
"""How a command of the table may begin, besides a program's name: what it becomes depends on the package manager."""
FACTS = frozenset(
    (
        *("python", "python_minor", "executable", "torch", "cuda", "visible", "shared_memory", "memory"),
        *("numpy", "compiler", "conda_script", "library_path"),
    )
)
"""What the words of a row may name of the machine."""


@dataclass(frozen=True, eq=False)
class Row:
    """One known message.

    patterns: regular expressions over the text in one line, any of which is enough; means, why, cure: words, in
    which `{name}` stands for a group of the pattern or a fact of the machine; here: what to add and which commands
    to give where its conditions hold; confirmed_by: names of findings that show the same fault on this machine;
    here_instead: the cures of such findings take the place of the row's own; after: rows of which this one is a
    consequence; instead_of: rows that say less of the same text; found_in: where the library's own words stand;
    sources: threads and documents, `read` where what is said was read there.
    """

    name: str
    chapter: str
    title: str
    patterns: tuple[str, ...]
    example: str
    means: str
    why: str
    cure: str
    sources: tuple[Mapping[str, Any], ...]
    here: tuple[Mapping[str, Any], ...] = ()
    confirmed_by: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    instead_of: tuple[str, ...] = ()
    here_instead: bool = False
    found_in: tuple[Mapping[str, str], ...] = ()

    def search(self, text: str) -> re.Match[str] | None:
        """The first place that one of the patterns matches."""
        found = filter(None, (_compiled(pattern).search(text) for pattern in self.patterns))
        return min(found, key=lambda match: match.start(), default=None)

    @property
    def link(self) -> str:
        """The first source that was read; empty where none was."""
        return next((str(source["url"]) for source in self.sources if source["read"]), "")


@functools.cache
def read_messages() -> tuple[Row, ...]:
    """The table as it stands in the package."""
    rows = load_table(__package__, "messages")["rows"]
    return tuple(Row(**{key: _fixed(value) for key, value in row.items()}) for row in rows)


def explain_message(text: str, machine: Machine) -> list[Finding]:
    """What is known of the errors in `text`, the one that caused the others first, each once.

    One finding that says what can be told where no row matches; none where the text is empty. Nothing of the
    text is given back that would steer a terminal.
    """
    lines = clean(text[-_MOST_TEXT:])
    if not lines.strip():
        return []
    ending = find_ending(lines)
    found = _matches(lines)
    if not found:
        return [_unknown(lines, ending, machine)]
    about = {finding.name: finding for finding in reversed(diagnose(machine)) if not finding.ok}
    ends = _at_the_end(found, ending, lines)
    rows = _ordered(found, ends)
    told = [_finding(row, found[row], about, machine) for row in rows]
    told = [
        replace(finding, detail=f"This follows from the above: {finding.detail}")
        if {earlier.name for earlier in rows[:number]} & set(row.after)
        else finding
        for number, (row, finding) in enumerate(zip(rows, told, strict=True))
    ]
    if ending and not ends and not ending.type.endswith("Warning"):
        told.append(_unknown(lines, ending, machine))
    return told


def _matches(lines: str) -> dict[Row, re.Match[str]]:
    """Rows that match, in the order in which they appear; less those of which another one says more."""
    found: dict[Row, re.Match[str]] = {}
    for text in one_line(lines):
        for row in read_messages():
            if row not in found and (match := row.search(text)):
                found[row] = match
    better = {name for row in found for name in row.instead_of}
    kept = [row for row in found if row.name not in better]
    return {row: found[row] for row in sorted(kept, key=lambda row: found[row].start())}


def _at_the_end(found: Mapping[Row, re.Match[str]], ending: Ending | None, lines: str) -> set[Row]:
    """Rows that are about the exception with which the program ended."""
    if ending is None:
        return set()
    place = one_line(lines)[0].rfind(ending.text)
    return {row for row, match in found.items() if match.end() > place or row.search(ending.text)}


def _ordered(rows: Iterable[Row], ends: set[Row]) -> list[Row]:
    """How the program ended comes first, then the rest as it was printed; causes before consequences."""
    waiting = sorted(rows, key=lambda row: row not in ends)
    ordered: list[Row] = []
    while waiting:
        open_names = {row.name for row in waiting}
        free = [row for row in waiting if not open_names & (set(row.after) - {row.name})]
        chosen = (free or waiting)[0]
        ordered.append(chosen)
        waiting.remove(chosen)
    return ordered


def _finding(row: Row, match: re.Match[str], about: Mapping[str, Finding], machine: Machine) -> Finding:
    known = _known(match, machine)
    here = [
        part
        for part in row.here
        if all(_holds(key, wanted, machine) for key, wanted in part.get("when", {}).items())
    ]
    shown = [about[name] for name in row.confirmed_by if name in about]
    words = [f"{row.title}. {row.means} {row.why}"]
    words += [part["says"] for part in here if part.get("says")]
    detail = _filled(" ".join(words), known)
    if shown:
        detail += f" On this machine the doctor finds: {'; '.join(finding.detail for finding in shown)}."
    if row.link:
        detail += f" See {row.link}"
    cures = [finding.cure for finding in shown if finding.cure]
    in_general = [] if cures and row.here_instead else [_filled(row.cure, known)]
    cure = " ".join([*in_general, *(f"Here: {cure}" for cure in cures)])
    commands = [command for finding in shown for command in finding.commands]
    commands += [_command(words, machine) for part in here for words in part.get("commands", ())]
    if any(map(is_ours, commands)):
        # Where packages may not go into this Python, into one that is made first.
        commands = [*home_of(machine).make, *commands]
    return Finding(MESSAGE, "warning", detail, cure, tuple(dict.fromkeys(commands)))


def _unknown(lines: str, ending: Ending | None, machine: Machine) -> Finding:
    """What can be said of a text that no row matches."""
    if ending is None:
        last = next((line for line in reversed(lines.split("\n")) if line.strip()), "")
        words = f"No message that is known here is in this text, and no Python exception. It ends: {_quoted(last)}"
        return Finding(
            MESSAGE, "warning", words, "Give the whole log, from the command that was run to its end."
        )
    library = f" in {ending.library}" if ending.library else ""
    place = f", at {_quoted(ending.place)}" if ending.place else ""
    words = f"Not known here: {ending.type}{library}{place}: {_quoted(ending.words) or 'without words'}"
    version = machine.packages.get(ending.library) or (
        machine.torch.version if machine.torch and ending.library == "torch" else None
    )
    where = (
        f"the issues of {ending.library}{f' {version}' if version else ''}" if ending.library else "the web"
    )
    cure = (
        f"Search {where} for these words in quotes, without paths and numbers. If nothing fits, cut the program down"
        " to the fewest lines that still fail, and ask there with them and with what lensmith doctor --json prints."
    )
    return Finding(MESSAGE, "warning", words, cure)


def _quoted(text: str) -> str:
    return text if len(text) <= _MOST_QUOTED else f"{text[:_MOST_QUOTED]}..."


def _known(match: re.Match[str], machine: Machine) -> dict[str, str]:
    """What the words of a row may name: groups of its pattern, and facts of this machine."""
    torch = machine.torch
    known = {
        "python": machine.python,
        "python_minor": ".".join(machine.python.split(".")[:2]),
        "executable": machine.executable,
        "torch": torch.version if torch else "",
        "cuda": (torch.cuda if torch else None) or "",
        "visible": repr(machine.visible_devices or ""),
        "shared_memory": f"{(machine.shared_memory or 0) / 2**20:,.0f} MiB",
        "memory": f"{(machine.memory or 0) / GIB:.1f} GiB",
        "numpy": machine.numpy or "",
        "compiler": machine.surroundings.compiler or "",
        "conda_script": machine.managers.conda_script,
        "library_path": repr(machine.variables.get("LD_LIBRARY_PATH", "")),
    }
    groups = {name: _quoted(value) for name, value in match.groupdict(default="").items()}
    if "found" in groups:
        groups["found_index"] = f"cu{groups['found'].replace('.', '')}"
    return known | groups


def _filled(words: str, known: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: known.get(place[1], place[0]), words)


def _command(words: Iterable[str], machine: Machine) -> Command:
    verb, *rest = words
    if verb == "install":
        return install(machine, *rest)
    if verb == "remove":
        return remove(machine, rest)
    if verb == "empty-cache":
        home = home_of(machine)
        return ("uv", "cache", "clean") if home.tool == "uv" else (home.python, "-m", "pip", "cache", "purge")
    return tuple(_filled(word, {"executable": machine.executable}) for word in (verb, *rest))


def _version(of: Callable[[Machine], str | None]) -> Callable[[Any, Machine], bool]:
    def holds(wanted: str, machine: Machine) -> bool:
        version = of(machine)
        return version is not None and SpecifierSet(wanted).contains(version, prereleases=True)

    return holds


def _same(of: Callable[[Machine], Any]) -> Callable[[Any, Machine], bool]:
    return lambda wanted, machine: bool(of(machine) == wanted)


CONDITIONS: Mapping[str, Callable[[Any, Machine], bool]] = {
    "torch": _version(lambda machine: machine.torch.version if machine.torch else None),
    "python": _version(lambda machine: machine.python),
    "platform": lambda wanted, machine: machine.platform.startswith(wanted),
    "environment": _same(lambda machine: machine.environment),
    "cuda": _same(lambda machine: bool(machine.torch.cuda) if machine.torch else None),
    "gpus": _same(lambda machine: bool(machine.nvidia.gpus)),
    "visible": _same(lambda machine: machine.visible_devices is not None),
    "memory": _same(lambda machine: machine.memory is not None),
    "shared_memory_below": lambda wanted, machine: (
        machine.shared_memory is not None and machine.shared_memory < wanted * 2**20
    ),
    "container": _same(lambda machine: bool(machine.surroundings.container)),
    "library_path": _same(lambda machine: bool(machine.variables.get("LD_LIBRARY_PATH"))),
    "numpy": _version(lambda machine: machine.numpy),
    "compiler": _same(lambda machine: machine.surroundings.compiler is not None),
    "conda": _same(lambda machine: bool(machine.managers.conda_script)),
    "closed": _same(lambda machine: machine.managers.is_closed),
    "avx2": _same(lambda machine: "avx2" in machine.instructions if machine.instructions else None),
}
"""What a row may ask of the machine, by the words of the table. What is not known does not hold."""


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _holds(key: str, wanted: Any, machine: Machine) -> bool:
    return CONDITIONS[key](wanted, machine)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
