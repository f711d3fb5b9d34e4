"""One verdict of the doctor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lensmith.diagnosis.quoting import Command, paste
from lensmith.machine.facts import Machine

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One verdict. `cure` says in words what to do; `commands` do it, in order, where commands can."""

    name: str
    severity: Severity
    detail: str
    cure: str = ""
    commands: tuple[Command, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is nothing to mend."""
        return self.severity == "info"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form; commands as lines that can be pasted."""
        return {
            "name": self.name,
            "ok": self.ok,
            "severity": self.severity,
            "detail": self.detail,
            "cure": self.cure,
            "commands": [paste(command) for command in self.commands],
        }


Check = Callable[[Machine], Finding | None]
