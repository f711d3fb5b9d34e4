"""A file of answers that grows, and is gone on with after whatever stopped it."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, BinaryIO

from lensmith.asking.answer_rows import CsvTable, JsonLines, Row
from lensmith.errors import PictureError, UsageError
from lensmith.pictures.asked import split_member
from lensmith.runs.files import replacing
from lensmith.shards.places import is_remote
from lensmith.types import Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = (".csv", ".jsonl")
_MODEL_LETTERS = 16
_DIGEST = 15


def digest(word: str) -> bytes:
    """15 bytes that tell words apart."""
    return hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


def is_among(word: str, digests: NDArray[np.bytes_]) -> bool:
    """Whether a word is one of those of `Seen.digests`."""
    wanted = digest(word)
    at = int(digests.searchsorted(wanted))
    return at < len(digests) and bool(digests[at] == wanted.rstrip(b"\0"))  # as numpy gives it back


class Seen:
    """Words, remembered by 15 bytes of their digest: about 90 bytes of memory each, however long they are."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def add(self, word: str) -> bool:
        """Remember a word; whether it is new."""
        before = len(self._digests)
        self._digests.add(digest(word))
        return len(self._digests) > before

    def __contains__(self, word: str) -> bool:
        return digest(word) in self._digests

    def __len__(self) -> int:
        return len(self._digests)

    def digests(self) -> NDArray[np.bytes_]:
        """What is remembered, sorted; see `digest` and `is_among`."""
        import numpy as np

        return np.array(sorted(self._digests), f"S{_DIGEST}")


@dataclass
class AnswerFile:
    """Rows of answers, each picture once and all of one model.

    seen: what need not be asked again, and what was asked since; places: where pictures were sorted to.
    damaged: rows taken out, since they could not be read. model: the first letters of its sha256; form: how its
    rows are written.
    """

    path: Path
    seen: Seen
    places: Seen
    damaged: int
    model: str
    form: CsvTable | JsonLines
    _file: IO[bytes]

    def is_new(self, name: str) -> bool:
        """Whether a picture is asked about for the first time; from now on it is not."""
        return self.seen.add(identity(name))

    def write(self, rows: list[tuple[str, Prediction | PictureError, str]]) -> None:
        """Add `(name, answer, place)` rows, all by one call of the system."""
        self.write_lines(self.form.line(*row[:2], self.model, row[2]) for row in rows)

    def write_lines(self, lines: Iterable[bytes]) -> None:
        """The same for rows that are lines of its `form` already."""
        left = memoryview(b"".join(lines))
        while left:
            left = left[self._file.write(left) :]


def identity(name: str) -> str:
    """One word for all spellings of a path, seen from the folder that this process is in."""
    if is_remote(name):
        return name
    path, member = split_member(name)
    return f"{os.path.normcase(os.path.abspath(path))}\0{member}"  # noqa: PTH100  # there may be a million


def place_identity(place: str) -> str:
    """The same for a file that is written, where capitals may make no difference."""
    return identity(place).casefold()


def check_name(path: Path) -> None:
    """Raises `UsageError` where no answers can be written by this name."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"{path}: answers are written as CSV or JSON Lines",
            hint="End it in .csv or .jsonl; that decides.",
        )
    if path.is_dir():
        raise UsageError(f"{path}: a folder", hint="Name a file in it.")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: no such folder, {path.parent}", hint="Make it first.")


def form_of(path: Path) -> CsvTable | JsonLines:
    """How rows are written under this name."""
    return CsvTable() if path.suffix.lower() == ".csv" else JsonLines()


@contextmanager
def answer_file(path: Path, model: str, *, sort: Path | None = None) -> Iterator[AnswerFile]:
    """Open FILE to go on with it, or begin it. model: the sha256 of the bundle.

    sort: the folder that its pictures are sorted into, where they are. A row half written is cut off, and pictures
    that could not be read are asked again. Raises `UsageError` where it holds another model's answers or anything
    else, or another process writes to it.
    """
    check_name(path)
    path = Path(os.path.realpath(path))
    form = form_of(path)
    found = _Found(path, form, model[:_MODEL_LETTERS], sort)
    file = _locked(path)
    try:
        kept, size = found.read()
        if size and (not kept or kept[0] == kept[-1]):
            file.truncate(kept[0][1] if kept else 0)
        elif size:
            if sys.platform == "win32":
                file.close()  # nothing can take the name of an open file there
            found.rewrite(kept)
            file.close()
            file = _locked(path)
        if not file.seek(0, os.SEEK_END):
            file.write(form.head)
        yield AnswerFile(path, found.seen, found.places, found.damaged, found.model, form, file)
        with suppress(OSError):
            os.fsync(file.fileno())
    finally:
        file.close()


class _Found:
    """What a file holds already."""

    def __init__(self, path: Path, form: CsvTable | JsonLines, model: str, sort: Path | None) -> None:
        self.path, self.form, self.model = path, form, model
        self._sort = "" if sort is None else identity(str(sort))
        self.seen, self.places = Seen(), Seen()
        self.damaged = 0

    def read(self) -> tuple[list[tuple[int, int]], int]:
        """Learn what is there: the stretches `(start, end)` that are to be kept, and the size of all."""
        with self.path.open("rb") as file:
            begins = file.read(len(self.form.begins))
            if begins != self.form.begins[: len(begins)]:
                raise self._foreign()
            file.seek(0)
            return self._stretches(file), os.fstat(file.fileno()).st_size

    def _stretches(self, file: BinaryIO) -> list[tuple[int, int]]:
        start = len(self.form.head)
        kept = [(0, start)] if file.read(start) == self.form.head else []
        file.seek(0)
        for end, row in self.form.rows(file):
            if row is not None:
                self._check(row)
            self.damaged += row is None
            if row is not None and not row.failed:
                self.seen.add(identity(row.name))
                if row.place:
                    self.places.add(place_identity(row.place))
                if kept[-1][1] == start:
                    start = kept.pop()[0]
                kept.append((start, end))
            start = end
        return kept

    def _check(self, row: Row) -> None:
        if not row.model:
            raise self._foreign()
        if row.model != self.model:
            raise UsageError(
                f"{self.path}: holds answers of another model ({row.model}; this one is {self.model})",
                hint="Name another file, or delete this one.",
            )
        # DIR/LABEL/NAME
        sort = identity(str(PurePath(row.place).parent.parent)) if row.place else ""
        if not row.failed and sort != self._sort:
            raise UsageError(
                f"{self.path}: its pictures were {f'sorted into {sort}' if sort else 'not sorted'}",
                hint="Go on with --sort as it was begun, or name another file.",
            )

    def rewrite(self, kept: list[tuple[int, int]]) -> None:
        """Leave only these stretches."""
        with self.path.open("rb") as old, replacing(self.path) as new:
            for start, end in kept:
                old.seek(start)
                _copy(old, new, end - start)

    def _foreign(self) -> UsageError:
        return UsageError(
            f"{self.path}: holds something else than answers of predict --out",
            hint="Name another file: nothing is written over.",
        )


def _copy(old: IO[bytes], new: IO[bytes], count: int) -> None:
    while count and (part := old.read(min(count, 1 << 20))):
        new.write(part)
        count -= len(part)


def _locked(path: Path) -> IO[bytes]:
    file = path.open("ab", buffering=0)
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = os.path.samestat(
                os.fstat(file.fileno()), path.stat()
            )  # else somebody has just replaced it
        except BlockingIOError:
            alone = False
        except OSError:  # a file system without locks
            alone = True
        if not alone:
            file.close()
            raise UsageError(
                f"{path}: another process is writing its answers there",
                hint="Wait until it is done, or name another file.",
            )
    return file
