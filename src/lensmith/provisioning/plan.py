"""What would have to be installed to run somebody's repository on this machine, before anything is."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from lensmith.machine.builds import Build
from lensmith.provisioning.interpreters import Interpreter
from lensmith.repositories.reading import Fault


@dataclass(frozen=True)
class Alternative:
    """Another way, and what it costs, in words."""

    words: str
    cost: str


@dataclass(frozen=True)
class Plan:
    """An environment for a repository.

    python: which; build: torch's row in the table of builds, None where no torch is asked for or it is older than
    the table; requirements: `name==version --hash=...`, or as asked for where `resolved` is False; to_build: what
    only a build step can bring, which is foreign code that runs; own: whether the repository's own package has to be
    installed, too; before: the day that versions are of; index: where torch comes from, empty for the default;
    distributions: what the code imports, to be tried once it is built; device: the GPU that the environment has to
    see, or nothing; commands: the same by hand.
    """

    root: Path
    python: Interpreter
    build: Build | None
    requirements: tuple[str, ...]
    to_build: tuple[str, ...] = ()
    own: bool = False
    before: date | None = None
    index: str = ""
    distributions: tuple[str, ...] = ()
    device: str = ""
    resolved: bool = True
    faults: tuple[Fault, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def runs_foreign_code(self) -> bool:
        """Whether building it runs a build step of somebody's."""
        return self.own or bool(self.to_build)

    def has(self, requirement: str) -> bool:
        """Whether what it installs, or its Python, meets a requirement such as `numpy<1.24`, `python<3.12`."""
        wanted = Requirement(requirement)
        pairs = (line.split(" ")[0].partition("==") for line in self.requirements if self.resolved)
        versions = {name: version for name, _, version in pairs} | {"python": self.python.version}
        return wanted.name in versions and wanted.specifier.contains(versions[wanted.name], prereleases=True)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        found = dataclasses.asdict(self)
        found["root"] = str(self.root)
        found["python"] = {"version": self.python.version, "path": str(self.python.path or "")}
        found["before"] = self.before.isoformat() if self.before else None
        if found["build"] is not None:
            found["build"] = {name: _plain(value) for name, value in found["build"].items()}
        return found


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
