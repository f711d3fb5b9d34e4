"""Which package managers are here, and which of them made the environment that this Python is in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lensmith.machine.source import Source, literally

Maker = Literal["conda", "pixi", "uv", "venv", ""]
PROGRAMS = ("conda", "mamba", "micromamba", "uv", "pixi")
_ROOTS = ("miniconda3", "miniforge3", "mambaforge", "anaconda3", "conda")
_ABOVE = ("~", "/opt", "/root", "/usr/local")


@dataclass(frozen=True)
class Managers:
    """made_by: what made the environment, empty for the system's own Python or one that is in none.

    here: those of pip, uv, conda, mamba, micromamba and pixi that can be run; pip where this Python has it, uv and
    pixi also where they made the environment: whoever made it has them.
    conda_script: the `conda.sh` that makes `conda` known to a shell, where one was found.
    is_closed: the system's Python, which refuses pip ("externally-managed-environment").
    is_base: conda's own environment, in which conda itself lives.
    """

    made_by: Maker = "venv"
    here: tuple[str, ...] = ("pip",)
    conda_script: str = ""
    is_closed: bool = False
    is_base: bool = False


def read_managers(source: Source) -> Managers:
    """Ask the environment's own files, and PATH."""
    has_pip = any(source.names(f"{folder}/pip/__main__.py") for folder in map(literally, source.python.path))
    has_pip = has_pip or any(
        source.names(f"{folder}/pip-*.dist-info") for folder in map(literally, source.python.path)
    )
    variables = source.environment
    told = {"conda": variables.get("CONDA_EXE"), "mamba": None, "micromamba": variables.get("MAMBA_EXE")}
    maker = _maker(source)
    made_here = {maker} & {"uv", "pixi"}
    here = [name for name in PROGRAMS if source.program(name) or told.get(name) or name in made_here]
    return Managers(
        made_by=maker,
        here=(*(["pip"] if has_pip else []), *here),
        conda_script=_conda_script(source),
        is_closed=_is_closed(source),
        is_base=bool(source.names(f"{literally(source.python.prefix)}/conda-meta/conda-[0-9]*.json")),
    )


def _maker(source: Source) -> Maker:
    prefix = source.python.prefix
    configuration = source.text(f"{prefix}/pyvenv.cfg", _without_paths)
    if configuration is not None:
        return "uv" if re.search(r"^uv\s*=", configuration, re.MULTILINE) else "venv"
    if source.python.prefix != source.python.base_prefix:
        return "venv"
    if "/.pixi/" in f"{prefix}/".replace("\\", "/") or source.names(f"{literally(prefix)}/conda-meta/pixi*"):
        return "pixi"
    return "conda" if source.names(f"{literally(prefix)}/conda-meta") else ""


def _without_paths(configuration: str) -> str:
    return "\n".join(
        re.findall(
            r"^(?:uv|version|version_info|include-system-site-packages)\s*=.*$", configuration, re.MULTILINE
        )
    )


def _conda_script(source: Source) -> str:
    for above in _ABOVE:
        for root in _ROOTS:
            found = source.names(f"{above}/{root}/etc/profile.d/conda.sh")
            if found:
                return found[0]
    return ""


def _is_closed(source: Source) -> bool:
    python = source.python
    if python.prefix != python.base_prefix:
        return False
    minor = ".".join(python.version.split(".")[:2])
    return bool(source.names(f"{literally(python.base_prefix)}/lib/python{minor}/EXTERNALLY-MANAGED"))
