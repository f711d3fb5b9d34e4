"""Versions of packages as of a day, by uv, from wheels alone: no build step is run to learn them."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from packaging.utils import canonicalize_name

from lensmith.machine.programs import Said
from lensmith.provisioning.interpreters import Interpreter
from lensmith.provisioning.uv import run_uv
from lensmith.provisioning.wishes import FAMILY, Wish

_LIMIT = 90.0
"""Seconds for one resolution; a large one with nothing in the cache takes 5 to 20."""

TroubleKind = Literal["no wheel", "no version", "unknown package", "conflict", "network", "time", "other"]


@dataclass(frozen=True)
class Question:
    """What is to be resolved, for which Python, as of which day.

    exempt: packages that may be newer than the day; left_out: packages that nothing may bring in; limits: bounds that
    hold for whatever is brought in; torch_index: where torch and what is released with it come from, empty for the
    default index.
    """

    wishes: tuple[Wish, ...]
    python: Interpreter
    before: date | None = None
    exempt: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    limits: tuple[str, ...] = ()
    torch_index: str = ""

    def without(self, wish: Wish) -> Question:
        """The same, not asking for this."""
        return replace(self, wishes=tuple(one for one in self.wishes if one != wish))

    def with_wish(self, wish: Wish, instead: Wish) -> Question:
        """The same with one wish in the place of another."""
        return replace(self, wishes=tuple(instead if one == wish else one for one in self.wishes))


@dataclass(frozen=True)
class Resolution:
    """lines: `name==version --hash=...`, sorted; yanked: `name==version (reason)`."""

    lines: tuple[str, ...]
    yanked: tuple[str, ...] = ()

    @property
    def versions(self) -> dict[str, str]:
        """Name to version."""
        pairs = (line.split(" ")[0].partition("==") for line in self.lines)
        return {name: version for name, _, version in pairs}


@dataclass(frozen=True)
class Trouble:
    """Why nothing was resolved. package: the one that it is about, if one; specifier: which of its versions, where
    that is said; named: all packages that the resolver's text names.
    """

    kind: TroubleKind
    text: str
    package: str = ""
    specifier: str = ""
    named: frozenset[str] = field(default_factory=frozenset)


def resolve(question: Question, *, alone: bool = False) -> Resolution | Trouble:
    """Ask uv. Nothing is installed, and nothing of a package is run. alone: without what the wishes need."""
    words = ["pip", "compile", "pyproject.toml", "--no-build", "--no-python-downloads", "--generate-hashes"]
    words += ["--no-header", "--no-annotate", "--keyring-provider", "disabled"]
    words += ["--no-deps"] if alone else []
    words += ["--excludes", "left_out.txt"] if question.left_out else []
    words += ["--constraints", "limits.txt"] if question.limits else []
    words += ["--python", str(question.python.path or sys.executable)]
    words += [] if question.python.is_here else ["--python-version", question.python.version]
    if question.before is not None:
        words += ["--exclude-newer", question.before.isoformat()]
        exempt = {*question.exempt, *(FAMILY if question.torch_index else ())}
        for name in sorted(exempt):
            words += ["--exclude-newer-package", f"{name}=false"]
    return _read(run_uv(words, seconds=_LIMIT, files=_files(question)))


def _files(question: Question) -> dict[str, str]:
    """A project of its own: only there can an index be kept to the packages that it is meant for."""
    asked = json.dumps([wish.requirement for wish in question.wishes])
    project = f'[project]\nname = "{_PROJECT}"\nversion = "0"\ndependencies = {asked}\n'
    if question.torch_index:
        sources = "".join(f'{name} = {{ index = "torch-wheels" }}\n' for name in FAMILY)
        index = f'name = "torch-wheels"\nurl = {json.dumps(question.torch_index)}\nexplicit = true\n'
        project += f"[tool.uv.sources]\n{sources}[[tool.uv.index]]\n{index}"
    left_out, limits = sorted(question.left_out), question.limits
    return {
        "pyproject.toml": project,
        "left_out.txt": "".join(f"{name}\n" for name in left_out),
        "limits.txt": "".join(f"{line}\n" for line in limits),
    }


_PYTHONS = ("3.6", "3.8", "3.10", "3.12", "3.14")
"""Wheels of one version span several Pythons, so that every other one is enough to meet them."""
_PROJECT = "wishes-of-the-repository"
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)(\[[^\]]*\])?==(\S+)")
_YANKED = re.compile(r"warning: `([^`]+)` is yanked(?: \(reason: \"(.*)\"\))?")
_PACKAGE = r"([A-Za-z0-9][A-Za-z0-9._-]*?)(?:\[[^\]]*\])?"
_VERSIONS = r"((?:[=<>!~]=?[^\s,]+)(?:,[=<>!~]=?[^\s,]+)*)?"
_KINDS: tuple[tuple[TroubleKind, re.Pattern[str]], ...] = (
    ("unknown package", re.compile(rf"{_PACKAGE} was not found in the (?:package registry|cache)")),
    ("unknown package", re.compile(rf"{_PACKAGE} was not found in the provided package locations")),
    (
        "no wheel",
        re.compile(
            rf"(?:all versions of )?{_PACKAGE}{_VERSIONS} (?:have|has) no "
            r"(?:usable wheels|wheels with a matching|.*?-compatible wheels)"
        ),
    ),
    ("no version", re.compile(rf"there (?:is|are) no versions? of {_PACKAGE}{_VERSIONS}(?=[\s,])")),
    ("no version", re.compile(rf"only the following versions of {_PACKAGE} are available")),
    ("no version", re.compile(rf"only {_PACKAGE}(?:[=<>!~]=?\S*)? is available")),
)
_NETWORK = (
    "Failed to fetch",
    "error sending request",
    "dns error",
    "Network connectivity is disabled",
    "network was disabled",
    "timed out",
)


def _read(answer: Said) -> Resolution | Trouble:
    if answer.ok:
        text = answer.out.replace("\\\n", " ")
        lines = tuple(" ".join(line.split()) for line in text.splitlines() if _LOCKED.match(line))
        yanked = tuple(f"{what} ({why})" if why else what for what, why in _YANKED.findall(answer.err))
        return Resolution(tuple(sorted(re.sub(r"\[[^\]]*\](?===)", "", line) for line in lines)), yanked)
    if answer.code is None:
        return Trouble("time", answer.err)
    said = [line for line in answer.err.splitlines() if not line.startswith("warning:")]
    text = " ".join(re.sub(r"^(error|\s*cause|hint):", "", line) for line in said)
    text = re.sub(r"\s+", " ", text).strip()
    if any(word in text for word in _NETWORK):
        return Trouble("network", text)
    named = frozenset(canonicalize_name(name) for name in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", text))
    for kind, pattern in _KINDS:
        found = pattern.search(text)
        if found:
            specifier = found[2] if len(found.groups()) > 1 and found[2] else ""
            return Trouble(kind, text, canonicalize_name(found[1]), specifier, named)
    return Trouble("conflict" if "unsatisfiable" in text else "other", text, named=named)


def has_wheel_somewhere(wish: Wish) -> bool:
    """Whether this version was published as a wheel for any Python and system, or as source alone."""
    words = [
        "pip",
        "compile",
        "wish.txt",
        "--no-build",
        "--no-deps",
        "--universal",
        "--no-header",
        "--no-annotate",
    ]
    words += ["--no-python-downloads", "--keyring-provider", "disabled", "--python", sys.executable]
    files = {"wish.txt": f"{replace(wish, marker='', extras=()).requirement}\n"}
    return any(
        run_uv([*words, "--python-version", python], seconds=_LIMIT, files=files).ok for python in _PYTHONS
    )


def in_plain_words(text: str) -> str:
    """uv's account of a conflict, without what only uv's own user needs."""
    text = text.replace(f"{_PROJECT} depends on", "the repository asks for").replace(
        "your project", "the repository"
    )
    text = re.sub(r"^No solution found when resolving dependencies\s*", "", text)
    text = re.sub(r"we can conclude that ", "", text)
    text = re.sub(r"\s*And because the repository (requires|asks for) [^.]*unsatisfiable\.", "", text)
    text = re.sub(r",? your requirements are unsatisfiable", ", nothing fits", text)
    return re.sub(r"\s*(Wheels are required for|You can enable|Consider ) .*$", "", text).strip()[:600]
