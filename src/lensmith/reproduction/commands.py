"""Which of a README's commands is the one to run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SETUP = re.compile(
    r"^\s*(?:sudo|pip3?|conda|mamba|uv|git|wget|curl|cd|mkdir|export|source|apt(?:-get)?|brew|docker|tar|unzip|ln|rm|cp"
    r"|tensorboard|jupyter|pytest|python3? -m (?:pip|venv|pytest))\b|setup\.py|\|\s*(?:sh|bash)\b"
)
_GAP = re.compile(
    r"<[^<>|]+>|\$\{?\w+|/path/|\bpath[/_]to|\[[a-z_ -]+\]|\.\.\.|\bYOUR_|\bxxx\b|\{[^}]*\}", re.IGNORECASE
)
_MANY = re.compile(
    r"torchrun|torch\.distributed|accelerate launch|deepspeed|mpirun|horovodrun|srun|nproc[_-]per[_-]node"
)
_MEASURES = re.compile(r"train|main|run|reproduce|experiment|fit", re.IGNORECASE)
_ASIDE = re.compile(
    r"demo|visuali[sz]e|plot|download|prepare|preprocess|convert|export|--help|-h\b|infer|predict",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Choice:
    """A command out of a README. doubts: why it may not be the one, in words."""

    command: str
    place: str
    doubts: tuple[str, ...] = ()


def rank_commands(found: Sequence[tuple[str, str]], root: Path) -> list[Choice]:
    """The commands that start a program, the likeliest first; setting up, downloading and the like are left out.

    One whose script is there, which trains or runs, and leaves nothing to be filled in comes before the others; among
    equals the first in the README.
    """
    rated: list[tuple[int, int, Choice]] = []
    for command, place in found:
        words = " ".join(command.split())
        if words and not _SETUP.search(words):
            score, doubts = _rate(words, root)
            rated.append((-score, len(rated), Choice(words, place, doubts)))
    return [choice for _, _, choice in sorted(rated, key=lambda one: one[:2])]


def _rate(command: str, root: Path) -> tuple[int, tuple[str, ...]]:
    score, doubts = 0, []
    script = script_of(command)
    if script and not (root / script).is_file():
        doubts.append(f"{script} is not in the repository")
        score -= 8
    elif script:
        score += 4
    gap = _GAP.search(command)
    if gap:
        doubts.append(f"'{gap[0]}' is to be filled in")
        score -= 6
    if _MANY.search(command):
        doubts.append("it starts several processes")
        score -= 2
    named = script or command
    score += 2 * bool(_MEASURES.search(named)) - 3 * bool(_ASIDE.search(named)) + bool(script)
    return score, tuple(doubts)


def script_of(command: str) -> str:
    """The Python file that a command starts, or ""."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return next((word for word in words if word.endswith(".py") and not word.startswith("-")), "")
