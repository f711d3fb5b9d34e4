"""A README: the commands that it gives, the numbers that it claims, and what it says of Python and CUDA."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lensmith.repositories.asked import Asked
from lensmith.repositories.claimed_numbers import claims_in
from lensmith.repositories.reading import Claim
from lensmith.repositories.shell_lines import MOST_COMMANDS, is_command, joined, take_installs
from lensmith.repositories.tree import shown

_FENCE = re.compile(r"\s{0,12}(?:>\s?)?(`{3,}|~{3,})\s*([\w+-]*)")
_NO_SHELL = {
    "python",
    "py",
    "python3",
    "bibtex",
    "bib",
    "latex",
    "tex",
    "json",
    "yaml",
    "yml",
    "cpp",
    "c",
    "java",
    "text",
    "txt",
    "toml",
    "diff",
    "html",
    "xml",
    "pycon",
}
_INLINE = re.compile(r"`([^`\n]{6,400})`")
_PYTHON = re.compile(
    r"\bpython\s*(?:version\s*)?(>=|==|=|~=|<=)?\s*(3\.\d{1,2})(?:\.\d+)?\s*(\+|or (?:newer|later|higher|above))?",
    re.IGNORECASE,
)
_CUDA = re.compile(
    r"\bcuda\s*(?:toolkit\s*)?(?:version\s*)?(?:==|=|>=|v|:)?\s*(\d{1,2}\.\d)\b", re.IGNORECASE
)


@dataclass
class Told:
    """What README files tell."""

    commands: list[tuple[str, str]] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)


def read_readmes(asked: Asked) -> Told:
    """README files at the root; where there is none, the highest below it."""
    found = (
        asked.tree.named(r"readme[\w.-]*\.(?:md|rst|txt|markdown)|readme")
        or asked.tree.named(r"readme\.(?:md|rst|txt)", 2)[:1]
    )
    told = Told()
    for path in sorted(found, key=lambda path: (not re.fullmatch(r"readme\.(md|rst)", path.lower()), path))[
        :4
    ]:
        _read(asked, path, told)
    return told


def _read(asked: Asked, path: str, told: Told) -> None:
    name = shown(path)
    blocks, prose = _parts(asked.tree.text(path).splitlines())
    commands = [one for block in blocks for one in joined(block)]
    commands += [(number, found.strip()) for number, line in prose for found in _INLINE.findall(line)]
    for number, line in sorted(commands):
        if is_command(line) and len(told.commands) < MOST_COMMANDS:
            told.commands.append((line, f"{name}:{number}"))
    known = {_first(one.requirement) for one in asked.wanted}
    before = len(asked.wanted)
    for line, place in [one for one in told.commands if one[1].startswith(f"{name}:")]:
        take_installs(asked, line, place)
    # What a file asks for holds; a README speaks of what it leaves out.
    asked.wanted[before:] = [one for one in asked.wanted[before:] if _first(one.requirement) not in known]
    for number, line in prose:
        _take_words(asked, line, f"{name}:{number}")
    told.claims += claims_in(prose, name)


def _first(requirement: str) -> str:
    name = re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-")
    return {"pytorch": "torch", "opencv": "opencv-python"}.get(name, name)


def _take_words(asked: Asked, line: str, place: str) -> None:
    python = _PYTHON.search(line[:500])
    if python and not any(place.startswith("README") for _, place in asked.python):
        newer = python[1] == ">=" or python[3]
        asked.python.append((f">={python[2]}" if newer else f"=={python[2]}.*", place))
    if cuda := _CUDA.search(line[:500]):
        asked.cuda.append((cuda[1], place))


def _parts(lines: list[str]) -> tuple[list[list[tuple[int, str]]], list[tuple[int, str]]]:
    """Blocks of code that may be for a shell, and the lines around them."""
    blocks: list[list[tuple[int, str]]] = []
    prose: list[tuple[int, str]] = []
    fence, is_shell, after_empty = "", False, True
    for number, line in enumerate(lines, 1):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2]:
                fence = ""
            elif is_shell:
                blocks[-1].append((number, line))
        elif mark and "`" not in line[mark.end() :]:
            fence, is_shell = mark[1], mark[2].lower() not in _NO_SHELL
            blocks.append([])
        elif re.match(r"(?: {4}|\t)\s*\S", line) and (
            after_empty or (blocks and blocks[-1] and blocks[-1][-1][0] == number - 1)
        ):
            if not (blocks and blocks[-1] and blocks[-1][-1][0] == number - 1):
                blocks.append([])
            blocks[-1].append((number, line))
        else:
            prose.append((number, line))
        after_empty = (
            not line.strip() or line.rstrip().endswith("::") or (line.startswith(".. ") and not fence)
        )
    return blocks, prose
