"""Pictures answered by the machines of a Ray cluster, into one file that goes on; a job of Ray Data.

This process lists the pictures and writes the file, alone. The machines read the pictures by their paths or URLs, or
are sent their bytes where they do not see them. What a machine that was lost had not answered, another does again.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from lensmith.asking.answer_file import AnswerFile, Seen, answer_file, check_name, identity
from lensmith.asking.answering import Tally
from lensmith.asking.cluster import LOCAL, check_address, faults_in_words, joined, require_ray
from lensmith.asking.cluster_batches import Line, Part, Place, lines_in, places_of, places_table
from lensmith.asking.cluster_worker import (
    Answering,
    Begun,
    Looked,
    Sample,
    Task,
    look,
    read,
    refuse_other_version,
)
from lensmith.bundle.bundle import Bundle, load_model
from lensmith.data.listing import STDIN, places_named
from lensmith.errors import MachineError, PictureError
from lensmith.pictures.asked import is_url
from lensmith.types import Event

_PIXELS = 64 * 224 * 224
_MOST = 4096
"""Of a part: some seconds of one core, and no more pictures than so many."""
_GROWTH = 16
"""Tasks grow to so many parts, so that a million pictures are not a hundred thousand tasks."""
_LOOK = 60.0
_TOLD = 0.2
"""Seconds between two events."""


def answer_on_cluster(
    run: str | Path, words: Sequence[str], *, out: Path, address: str = "auto"
) -> Generator[Event, None, Tally]:
    """Answer what `words` name into `out`, by the machines of the Ray cluster at `address`.

    As `answer_into_file`, with the same rows in another order: a generator of progress, that goes on where it was
    stopped. address: `auto`, `HOST:PORT`, or `local` for the cores of this machine. Raises `MachineError` where there
    is no Ray, no cluster, or the cluster gives up.
    """
    require_ray()
    check_address(address)
    check_name(out)
    bundle = load_model(run)
    with answer_file(out, bundle.sha256) as file:
        if file.damaged:
            yield Event("predict", f"{file.path}: damaged rows ({file.damaged:,}) are asked again")
        tally = Tally(out, before=len(file.seen))
        answered = file.seen.digests()
        new = _new_places(words, file)
        first = next(new, None)
        if first is None:
            return tally
        yield Event("predict", "joining the cluster" if address != LOCAL else "starting Ray on this machine")
        with joined(address) as ray, faults_in_words(ray):
            job = _Job(ray, bundle, file, tally)
            yield from job.list_places(chain([first], new))
            sample = job.look(_sample(words, first))
            if sample is None:
                yield Event("predict", "not all machines see these files: they are read here and sent")
            yield from job.run(job.task(bundle, answered, sample))
    return tally


def _new_places(words: Sequence[str], file: AnswerFile) -> Iterator[Place]:
    """Without those answered before; what holds many is looked into later, elsewhere."""
    opened = Seen()
    for found in places_named(words):
        for place in places_of(found):
            if place.holds_many:
                if opened.add(identity(place.name)):
                    yield place
            elif place.name == STDIN or file.is_new(place.name):
                yield place


def _sample(words: Sequence[str], first: Place) -> Sample:
    """What all machines have to see."""
    named = [Path(word) for word in words if word != STDIN and not is_url(word)]
    if first.is_local:
        named.append(Path(first.place))  # of shards it may be a pattern, and no path
    there = [path for path in named if path.exists()]
    return Sample(
        tuple((str(path.absolute()), path.stat().st_size if path.is_file() else -1) for path in there)
    )


@dataclass
class _Arrived:
    """parts: those that came; ends: of each batch, how many there have to be."""

    parts: set[tuple[int, int]] = field(default_factory=set)
    ends: dict[int, int] = field(default_factory=dict)

    def is_new(self, part: Part) -> bool:
        """Whether it came for the first time."""
        if part.last:
            self.ends[part.number] = part.part + 1
        before = len(self.parts)
        self.parts.add((part.number, part.part))
        return len(self.parts) > before

    def lack(self, batches: int) -> bool:
        """Whether something of so many batches did not come."""
        return len(self.ends) < batches or len(self.parts) < sum(self.ends.values())


class _Job:
    def __init__(self, ray: Any, bundle: Bundle, file: AnswerFile, tally: Tally) -> None:
        self._ray, self._file, self._tally = ray, file, tally
        height, width = bundle.preprocess.size
        self._many = min(_MOST, max(1, _PIXELS // (height * width)))
        self._nodes = [node for node in ray.nodes() if node["Alive"]]
        self._cpus = int(sum(node["Resources"].get("CPU", 0) for node in self._nodes))
        if not self._cpus:
            raise MachineError(
                "the cluster has no CPU to compute with", hint="Add a machine: ray start --address=..."
            )
        self._batches: list[Any] = []
        self._count = 0
        self._of_many: set[int] = set()

    def list_places(self, places: Iterator[Place]) -> Iterator[Event]:
        """Put what is to be done into the cluster's memory, a batch for each task; an archive or shard is one."""
        told = time.monotonic()
        waiting: list[Place] = []
        for place in places:
            if place.holds_many:
                self._of_many.add(len(self._batches))
                self._put([place])
                continue
            waiting.append(place)
            self._count += 1
            if len(waiting) == self._many * min(_GROWTH, 1 + len(self._batches) // (4 * self._cpus)):
                self._put(waiting)
                waiting = []
            if time.monotonic() - told > _TOLD:
                told = time.monotonic()
                yield Event("predict", "pictures found", self._count)
        if waiting:
            self._put(waiting)

    def _put(self, places: list[Place]) -> None:
        part = Part(len(self._batches), 0, last=True)
        self._batches.append(self._ray.put(places_table(part, places, read=False)))

    def look(self, sample: Sample) -> Sample | None:
        """The sample where all machines see it, else None. Raises `MachineError` of one that cannot take part."""
        strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        ask = self._ray.remote(look).options
        asked = [
            ask(num_cpus=0, scheduling_strategy=strategy(node["NodeID"], soft=False)).remote(sample)
            for node in self._nodes
        ]
        ready, late = self._ray.wait(asked, num_returns=len(asked), timeout=_LOOK)
        for one in late:
            self._ray.cancel(one, force=True)
        found: list[Looked] = []
        for one in ready:
            try:
                found.append(self._ray.get(one))
            except (self._ray.exceptions.NodeDiedError, self._ray.exceptions.TaskUnschedulableError):
                continue  # it has just left
        for here in found:
            refuse_other_version(here, version("lensmith"))
        if not found:
            raise MachineError(
                f"no machine of the cluster began a task within {_LOOK:g} s", hint="See ray status."
            )
        return None if any(here.missing for here in found) else sample

    def task(self, bundle: Bundle, answered: Any, sample: Sample | None) -> Task:
        """What each process is told; each machine takes the model from the cluster's memory once."""
        known = self._ray.put(answered) if self._of_many and len(answered) else None
        model = self._ray.put(bundle.contents())
        here = {"ray.io/node-id": self._ray.get_runtime_context().get_node_id()}
        begun = self._ray.remote(Begun).options(num_cpus=0, label_selector=here).remote()
        file = self._file
        return Task(model, file.model, known, file.path.name, self._many, sample, version("lensmith"), begun)

    def run(self, task: Task) -> Iterator[Event]:
        """Ask, and write what comes."""
        arrived = _Arrived()
        began = told = time.monotonic()
        total = 0 if self._of_many else self._count
        with closing(self._tables(task)) as tables:
            for table in tables:
                part, lines = lines_in(table)
                if arrived.is_new(part):
                    self._write(lines, part.number in self._of_many)
                now = time.monotonic()
                if now - told > _TOLD:
                    told, done = now, self._tally.read + self._tally.failed
                    yield Event("predict", f"pictures, {done / (now - began):,.0f} a second", done, total)
        if arrived.lack(len(self._batches)):
            raise MachineError(
                "the cluster lost some of the pictures", hint="The same command asks those that are missing."
            )

    def _tables(self, task: Task) -> Generator[Any, None, None]:
        data = self._ray.data
        context = data.DataContext.get_current().copy()
        context.enable_progress_bars = context.print_on_execution_start = False
        context.target_max_block_size = 1  # each table is a block: it goes its way, and none is cut
        with data.DataContext.current(context):
            batches = data.from_arrow_refs(self._batches)
            if task.sample is None:
                batches = batches.map_batches(
                    read,
                    batch_size=None,
                    batch_format="pyarrow",
                    num_cpus=0,
                    compute=data.TaskPoolStrategy(size=2),
                    label_selector={"ray.io/node-id": self._ray.get_runtime_context().get_node_id()},
                )
            answers = batches.map_batches(
                Answering,
                fn_constructor_args=(task,),
                batch_size=None,
                batch_format="pyarrow",
                zero_copy_batch=True,
                num_cpus=1,
                compute=data.ActorPoolStrategy(min_size=1, max_size=self._cpus),
            )
        yield from answers.iter_batches(batch_size=None, batch_format="pyarrow")

    def _write(self, lines: list[Line], are_of_many: bool) -> None:
        """Whether pictures of many are new, nobody asked before."""
        new = [line for line in lines if not are_of_many or self._file.is_new(line.name)]
        self._file.write_lines(line.line for line in new)
        for line in new:
            fault = PictureError(line.name, line.reason, hint=line.hint) if line.reason else None
            self._tally.count(line.name, fault)
