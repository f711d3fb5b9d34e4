"""A sweep's own directory: which pictures are held out, the study, and what was found out so far."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lensmith.errors import UsageError
from lensmith.runs.directory import RUNS, next_place
from lensmith.runs.files import read_json, write_json
from lensmith.runs.lock import is_of_lock
from lensmith.training.job import keep_out_of


@dataclass(frozen=True)
class SweepDirectory:
    """The paths of a sweep."""

    path: Path

    @property
    def facts_file(self) -> Path:
        """`sweep.json`: what is searched, by which pictures, and how far it has come."""
        return self.path / "sweep.json"

    @property
    def splits_file(self) -> Path:
        """`splits.csv`: which pictures are held out, fixed when the sweep begins."""
        return self.path / "splits.csv"

    @property
    def trials(self) -> Path:
        """`trials/`: the curves of each trial that is a training of its own."""
        return self.path / "trials"

    @property
    def confirming(self) -> Path:
        """`confirming/`: the curves of the trainings by fresh seeds."""
        return self.path / "confirming"

    @property
    def url(self) -> str:
        """Of the study, where no other storage is given."""
        return f"sqlite:///{(self.path / 'study.db').absolute()}"

    @property
    def study(self) -> str:
        """What the study is called."""
        return self.path.absolute().name

    def facts(self) -> dict[str, Any]:
        """What was written down; {} before anything was."""
        found: dict[str, Any] = read_json(self.facts_file) if self.facts_file.exists() else {}
        return found

    def clear(self) -> None:
        """Take away what a sweep puts there before it is begun."""
        for file in (self.splits_file, self.path / "study.db"):
            file.unlink(missing_ok=True)

    def remove_if_empty(self) -> None:
        """A directory in which no sweep was begun is not left behind."""
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def write(self, facts: dict[str, Any]) -> None:
        """Write the facts whole."""
        write_json(self.facts_file, facts)


def open_place(source: Any, name: str, out: Path | None) -> SweepDirectory:
    """The directory `out`, which goes on where it holds a sweep, or the next free `./runs/NAME-sweep-001`.

    Raises `UsageError` where it holds something else, or lies under the data.
    """
    if isinstance(source, str | Path):
        keep_out_of(Path(source), out or RUNS)
    try:
        if out is None:
            return SweepDirectory(next_place(RUNS, f"{name}-sweep"))
        place = SweepDirectory(out)
        is_used = out.exists() and not (out.is_dir() and all(map(is_of_lock, out.iterdir())))
        if is_used and not place.facts_file.exists():
            raise UsageError(
                f"{out} already holds something, and no sweep", hint="Give an empty or new folder with --out."
            )
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{(out or RUNS).absolute()}: no sweep can be written there ({error.strerror})",
            hint="Give another folder with --out.",
        ) from error
    return place
