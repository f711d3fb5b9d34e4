"""Which package managers are here, and which of them made the environment that this Python is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Maker = Literal["conda", "pixi", "uv", "venv", ""]


@dataclass(frozen=True)
class Managers:
    """made_by: what made the environment, empty for the system's own Python or one that is in none.

    here: those of pip, uv, conda, mamba, micromamba and pixi that can be run; pip where this Python has it.
    conda_script: the `conda.sh` that makes `conda` known to a shell, where one was found.
    is_closed: the system's Python, which refuses pip ("externally-managed-environment").
    is_base: conda's own environment, in which conda itself lives.
    """

    made_by: Maker = "venv"
    here: tuple[str, ...] = ("pip",)
    conda_script: str = ""
    is_closed: bool = False
    is_base: bool = False
