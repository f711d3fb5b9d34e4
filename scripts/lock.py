"""Write constraints.txt: the versions in this environment of all that `pip install -e '.[dev]'` brings.

What follows torch on one platform only (CUDA's libraries, triton) is left out: torch pins it itself.
"""

from __future__ import annotations

import tomllib
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FOLLOWS_TORCH = ("nvidia-", "cuda-", "triton")
HEADER = """\
# The exact versions that `make` installs, so that everybody tests the same thing.
# Renew: upgrade in .venv what should be newer, then `make lock`.
"""


def main() -> None:
    """Write the file."""
    pins = sorted(f"{name}=={version(name)}" for name in installed_by("dev"))
    (ROOT / "constraints.txt").write_text(HEADER + "\n".join(pins) + "\n", encoding="utf-8")


def installed_by(extra: str) -> set[str]:
    """Names of all distributions that lensmith with `extra` needs, and what those need in turn."""
    # From pyproject.toml, not from the installed metadata, which may be older.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    open_ends = [Requirement(text) for text in [*project["dependencies"], *extras[extra]]]
    seen: set[tuple[str, frozenset[str]]] = set()
    while open_ends:
        requirement = open_ends.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen or name.startswith(FOLLOWS_TORCH):
            continue
        seen.add(key)
        if name == project["name"]:
            open_ends += [Requirement(text) for wanted in requirement.extras for text in extras[wanted]]
            continue
        needed = (Requirement(text) for text in requires(name) or [])
        open_ends += [r for r in needed if _applies(r, requirement.extras)]
    return {name for name, _ in seen} - {project["name"]}


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in ["", *extras])


if __name__ == "__main__":
    main()
