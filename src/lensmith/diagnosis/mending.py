"""Which of the commands that mend a machine may be run for somebody, after a yes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from lensmith.diagnosis.finding import Finding
from lensmith.diagnosis.quoting import Command

_MANAGERS = {"pip", "uv", "conda", "mamba", "micromamba", "pixi"}
_MODULES = {"pip", "venv", "ensurepip"}


def is_ours(command: Command) -> bool:
    """Whether it only changes an environment of packages.

    Drivers, kernels, containers, shells and their start files are their owner's business: such a command is shown.
    """
    program = re.split(r"[\\/]", command[0])[-1].lower().removesuffix(".exe")
    if program in _MANAGERS:
        return len(command) > 1 and command[1] not in ("init", "activate", "self")
    return (
        bool(re.fullmatch(r"pythonw?[\d.]*", program)) and command[1:2] == ("-m",) and command[2] in _MODULES
    )


def commands_to_run(findings: Iterable[Finding]) -> list[Command]:
    """Those of the findings that ask for a cure, in order and each once.

    A cure with a command that is not ours is left whole to the person: half of it may be worse than nothing.
    """
    wanted = [one.commands for one in findings if not one.ok and all(map(is_ours, one.commands))]
    return list(dict.fromkeys(command for commands in wanted for command in commands))


def commands_to_show(findings: Sequence[Finding]) -> list[Command]:
    """Those that only the person can run."""
    runnable = commands_to_run(findings)
    return [command for one in findings if not one.ok for command in one.commands if command not in runnable]
