"""An environment as a file that loads elsewhere: requirements.txt, environment.yml, pylock.toml."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import Any

import yaml

from lensmith.environments.used import Used
from lensmith.errors import MachineError
from lensmith.machine.uv import require_uv

_SECONDS = 300


@dataclass(frozen=True)
class Exported:
    """The text of a file, and what to know of it."""

    text: str
    notes: tuple[str, ...]


def export_environment(used: Used, form: str, *, hashed: bool = True) -> Exported:
    """`requirements` (pip, uv), `conda` (environment.yml) or `lock` (pylock.toml, PEP 751) of what was used.

    Hashes and locks come from the package index, through uv. Requirements are written without hashes where
    it cannot be asked; a lock is refused (MachineError).
    """
    if form == "conda":
        return Exported(_conda(used), used.notes)
    if form == "lock":
        return Exported(_resolve(used, "--format", "pylock.toml"), used.notes)
    head = [f"# Python {used.python}; what {used.name} used. Install: pip install -r FILE"]
    head += [f"# {note}" for note in used.notes]
    head += [f"--extra-index-url {index}" for index in used.indexes]
    body, notes = _requirements(used, hashed)
    return Exported("\n".join([*head, *body]) + "\n", (*used.notes, *notes))


def _requirements(used: Used, hashed: bool) -> tuple[list[str], tuple[str, ...]]:
    plain = [package.line for package in used.loadable]
    referred = [package.name for package in used.loadable if package.reference]
    if not hashed:
        return plain, ()
    if referred:
        return plain, (
            f"Without hashes: pip takes none beside {', '.join(referred)}, which is no release of an index.",
        )
    try:
        return _resolve(used, "--generate-hashes").splitlines(), ()
    except MachineError as error:
        return plain, (f"Without hashes: {error.message}.",)


def _conda(used: Used) -> str:
    """No build strings and no prefix, which no other machine could load."""
    pins = [f"--extra-index-url {index}" for index in used.indexes]
    pins += [package.line for package in used.loadable]
    content: dict[str, Any] = {
        "name": used.name,
        "channels": ["conda-forge"],
        "dependencies": [f"python={used.python}", "pip", {"pip": pins}],
    }
    notes = "".join(f"# {note}\n" for note in used.notes)
    return notes + yaml.safe_dump(content, sort_keys=False, width=1000)


def _resolve(used: Used, *words: str) -> str:
    """What uv makes of the pins: all of them where they are whole, else with what they needed on that day."""
    command = [
        require_uv(),
        "pip",
        "compile",
        "-",
        "--universal",
        "--no-header",
        "--no-annotate",
        "--quiet",
        *words,
    ]
    command += ["--python-version", used.python, "--no-config"]
    command += ["--no-deps"] if used.is_whole else _as_of(used.day)
    for index in used.indexes:
        # Its folders hold old copies of other packages, which must not hide newer ones.
        command += ["--extra-index-url", index, "--index-strategy", "unsafe-best-match"]
    pins = "".join(f"{package.line}\n" for package in used.loadable)
    try:
        done = subprocess.run(
            command,
            input=pins,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            encoding="utf-8",
        )
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"uv gave no answer within {_SECONDS} s") from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        said = (
            lines[-1].removeprefix("error: ").removeprefix("cause: ")
            if lines
            else f"exit code {done.returncode}"
        )
        raise MachineError(
            f"uv could not resolve it ({said})", hint="It asks the package index; --to conda asks nobody."
        )
    return done.stdout


def _as_of(day: str) -> list[str]:
    return ["--exclude-newer", day] if day else []
