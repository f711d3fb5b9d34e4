"""What is done on the machines of a cluster: pictures are read, and a bundle, opened once a process, answers."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lensmith.asking.answer_file import form_of, identity, is_among
from lensmith.asking.cluster_batches import (
    Line,
    Part,
    Place,
    in_parts,
    lines_table,
    pictures_at,
    places_in,
    places_table,
    read_place,
)
from lensmith.asking.prediction import Answer, predict_each
from lensmith.bundle.bundle import bundle_from
from lensmith.errors import MachineError, PictureError
from lensmith.pictures.asked import Asked

if TYPE_CHECKING:
    import pyarrow as pa

AT_ONCE = 32
"""Pictures whose bytes travel together."""
_DEATHS = 8


@dataclass(frozen=True)
class Sample:
    """Files by which a machine is known to see the pictures: paths, and bytes, or -1 for a folder."""

    files: tuple[tuple[str, int], ...]

    def missing(self) -> str:
        """The first that is not the same here; "" where all are."""
        for path, size in self.files:
            try:
                found = os.stat(path)  # noqa: PTH116
            except OSError:
                return path
            if size >= 0 and found.st_size != size:
                return path
        return ""


@dataclass(frozen=True)
class Looked:
    """What a machine is and sees."""

    host: str
    version: str
    missing: str


def look(sample: Sample) -> Looked:
    """Run on each machine before anything else."""
    return Looked(socket.gethostname(), version("lensmith"), sample.missing())


def read(table: pa.Table) -> Iterator[pa.Table]:
    """Places in, the same with their bytes out: for machines that do not see the files."""
    begin, places, _ = places_in(table)
    found = chain.from_iterable(_read_at(place) for place in places)
    for part, some in in_parts(begin.number, found, AT_ONCE):
        yield places_table(part, some, read=True)


def _read_at(place: Place) -> Iterator[Place]:
    if place.is_local:
        yield from (read_place(asked, whole) for asked, whole in pictures_at(place))
    else:
        yield place


@dataclass(frozen=True)
class Task:
    """What each process is told once. model, answered: references to a bundle's contents, and to sorted digests.

    out: the name of the answer file, which says how its rows are written; many: pictures in a part.
    sample: what a machine has to see; None where bytes are sent. begun: a reference to a `Begun`.
    """

    model: Any
    letters: str
    answered: Any
    out: str
    many: int
    sample: Sample | None
    version: str
    begun: Any


class Begun:
    """How often each batch was begun: Ray begins again for ever what kills its process."""

    def __init__(self) -> None:
        self._times: Counter[tuple[int, int]] = Counter()

    def again(self, batch: tuple[int, int]) -> int:
        """Count a batch, and how often that makes."""
        self._times[batch] += 1
        return self._times[batch]


class Answering:
    """Tables of places in, tables of lines out."""

    def __init__(self, task: Task) -> None:
        import ray

        here = look(task.sample or Sample(()))
        refuse_other_version(here, task.version)
        if here.missing:
            raise MachineError(
                f"{here.host} does not see {here.missing}, as the other machines do",
                hint="The same command goes on; pictures are then sent to machines that do not see them.",
            )
        self._task = task
        self._form = form_of(Path(task.out))
        self._answered = None if task.answered is None else ray.get(task.answered)
        self._bundle = bundle_from(ray.get(task.model))

    def __call__(self, table: pa.Table) -> Iterator[pa.Table]:
        """A table for each part of the pictures."""
        given, places, is_read = places_in(table)
        self._refuse_deadly(given, places)
        most = len(places) if is_read else self._task.many
        for part, lines in in_parts(given.number, self._lines(places), most):
            yield lines_table(given if is_read else part, lines)

    def _refuse_deadly(self, given: Part, places: list[Place]) -> None:
        import ray

        times = ray.get(self._task.begun.again.remote((given.number, given.part)))
        if times > _DEATHS:
            raise MachineError(
                f"{_DEATHS} processes died over the same pictures, {places[0].name} to {places[-1].name}",
                hint="Too little memory, or a picture that its decoder cannot bear: ask for them without --ray.",
            )

    def _lines(self, places: list[Place]) -> Iterator[Line]:
        pictures = chain.from_iterable(self._asked_at(place) for place in places)
        for chunk in predict_each(self._bundle, pictures, processors=1):
            yield from map(self._line, chunk)

    def _asked_at(self, place: Place) -> Iterator[Asked]:
        for asked, whole in pictures_at(place):
            if not whole or self._answered is None or not is_among(identity(whole), self._answered):
                yield asked

    def _line(self, answer: Answer) -> Line:
        name, said = answer.asked.name, answer.said
        line = self._form.line(name, said, self._task.letters, "")
        return (
            Line(line, name, said.reason, said.hint) if isinstance(said, PictureError) else Line(line, name)
        )


def refuse_other_version(here: Looked, wanted: str) -> None:
    """Raise `MachineError` where a machine has another lensmith."""
    if here.version != wanted:
        raise MachineError(
            f"{here.host} has lensmith {here.version}, and this is {wanted}",
            hint=f'pip install "lensmith[ray]=={wanted}" there.',
        )
