"""What was asked of `lensmith reproduce`, and the command line that asks for it again."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from datetime import date as Date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lensmith.reproduction.sandbox import Limits

STEPS = ("read", "plan", "build", "run")
READ, PLAN, BUILD, RUN = range(4)
TIME_LIMIT = "30m"


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line."""

    repository: str
    to: int
    command: str | None
    claim: str | None
    out: Path | None
    python: str | None
    date: Date | None
    time_limit: str
    memory_limit: str | None
    limits: Limits
    yes: bool
    as_json: bool

    def again(self, step: str, **changes: str) -> str:
        """The command line of the same wish, up to `step`."""
        given = {
            "--command": self.command,
            "--claim": self.claim,
            "--out": str(self.out) if self.out else None,
            "--python": self.python,
            "--date": self.date.isoformat() if self.date else None,
            "--time-limit": self.time_limit if self.time_limit != TIME_LIMIT else None,
            "--memory-limit": self.memory_limit,
            **changes,
        }
        # An address may hold a password, which nobody wants in a file that is passed on.
        repository = re.sub(r"(?<=://)[^/@]*@", "", self.repository)
        words = ["lensmith", "reproduce", repository, "--to", step]
        words += [word for name, value in given.items() if value for word in (name, value)]
        return shlex.join(words + ["--network"] * self.limits.network)
