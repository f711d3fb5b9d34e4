"""`splits.csv`: which picture was in which split, written by every run and read again by `splits=FILE`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lensmith.data.allotment import Shares, allot
from lensmith.data.bonds import Rows, bonds
from lensmith.data.dataset import SPLITS, ImageDataset, Target
from lensmith.data.picture_rows import folder_of, path_from, read_picture_rows
from lensmith.errors import DataError
from lensmith.runs.files import write_bytes

HEADER = ("path", "sha256", "split", "group", "label")
_LATEST = {"": -1, **{name: number for number, name in enumerate(SPLITS)}}
"""Of two splits the later one wins: what was held out once stays out of training."""


@dataclass(frozen=True)
class Entry:
    """One row of the file. path: from the data's folder, with `/`; sha256: "" where it was not known."""

    path: str
    sha256: str
    split: str
    group: str = ""


@dataclass(frozen=True)
class Given:
    """Data with the splits that a file gave. known, drawn: how many pictures the file names, and how many new ones
    went to each split; missing: rows of the file that no picture answers to."""

    data: ImageDataset
    known: int
    drawn: dict[str, int]
    missing: int

    def words(self, file: Path | str) -> str:
        """What came of it, for a person."""
        new = sum(self.drawn.values())
        went = ", ".join(f"{count:,} to {name}" for name, count in self.drawn.items() if count)
        words = f"as {file} says of {self.known:,} pictures"
        words += f"; {new:,} new ones drawn here ({went})" if new else ""
        return words + (f"; {self.missing:,} that it names are not here" if self.missing else "")


def write_split_file(path: Path, data: ImageDataset, source: object) -> None:
    """Write a row for each picture, whole or not at all. source: where the data came from; paths in its folder
    are written from there, so that the file serves where the folder lies elsewhere."""
    root = folder_of(source)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    rows.writerows(
        (path_from(root, example), identity, example.split, example.group, _label(data, example.target))
        for identity, example in zip(data.ids, data.examples, strict=True)
    )
    write_bytes(path, text.getvalue().encode("utf-8", "surrogateescape"))


def read_split_file(path: Path) -> list[Entry]:
    """The rows of a file; a column of its own may be left out but for split, and one of path and sha256.

    Raises `DataError` naming the line.
    """
    by = "RUN/splits.csv and lensmith split write it"
    entries = []
    for row in read_picture_rows(path, "splits", "split", HEADER, by):
        split = (row.cells["split"] or "").strip()
        if split not in SPLITS:
            raise DataError(
                f"{path}: line {row.line} has split '{split}'", hint=f"It is {', '.join(SPLITS)}."
            )
        entries.append(Entry(row.path, row.sha256, split, row.cells.get("group") or ""))
    return entries


def give_splits(
    data: ImageDataset, entries: list[Entry], source: object, seed: int = 0, together: Sequence[Rows] = ()
) -> Given:
    """Put each picture where the file says: by its sha256, else by its path.

    What the file does not name goes where its group, an equal picture or one of `together` is (the later split, of
    several), else it is drawn by the shares that the splits have in the file. Raises `DataError` where nothing in
    it fits the data.
    """
    by_sha, by_path = _latest(entries, "sha256"), _latest(entries, "path")
    root = folder_of(source)
    paths = [path_from(root, example) for example in data.examples]
    found = [
        by_sha.get(identity) or by_path.get(path, "") for identity, path in zip(data.ids, paths, strict=True)
    ]
    known = sum(map(bool, found))
    if not known:
        raise DataError(
            f"{data.name}: none of its {len(data):,} pictures is in the file of splits, neither by sha256 nor path",
            hint=f"The first in the file is {entries[0].path or entries[0].sha256}." if entries else "",
        )
    drawn = _draw(data, found, _latest(entries, "group"), _shares(entries, seed), together)
    examples = [
        replace(example, split=split or drawn[row])
        for row, (example, split) in enumerate(zip(data.examples, found, strict=True))
    ]
    made = data.with_examples(examples)
    if len(made.splits) < 2 or "train" not in made.splits:
        raise DataError(
            f"{data.name}: by the file of splits, its pictures are all in {', '.join(made.splits)}",
            hint="Some are needed to learn from (train), and others to be measured on (val or test).",
        )
    counts = {name: sum(split == name for split in drawn.values()) for name in SPLITS}
    here, there = set(data.ids), set(paths)
    missing = sum(entry.sha256 not in here and entry.path not in there for entry in entries)
    return Given(made, known, counts, missing)


def _draw(
    data: ImageDataset,
    found: list[str],
    groups: Mapping[str, str],
    shares: Shares,
    together: Sequence[Rows],
) -> dict[int, str]:
    """The split of each row that the file does not name."""
    bound = bonds(data, together)
    settled: dict[str, str] = {}
    for bond in bound:
        words = [found[row] for row in bond.rows] + [
            groups.get(data.examples[row].group, "") for row in bond.rows
        ]
        if word := max(words, key=_LATEST.__getitem__):
            settled[bond.key] = word
    split_of = allot(bound, shares, settled)
    return {row: split_of[bond.key] for bond in bound for row in bond.rows if not found[row]}


def _latest(entries: list[Entry], column: str) -> dict[str, str]:
    """What the file says of each sha256 or path; the later split where it says two."""
    said: dict[str, str] = {}
    for entry in entries:
        word = getattr(entry, column)
        if word and _LATEST[entry.split] > _LATEST[said.get(word, "")]:
            said[word] = entry.split
    return said


def _shares(entries: list[Entry], seed: int) -> Shares:
    """What part of the file's pictures each split has."""
    counts = {name: sum(entry.split == name for entry in entries) for name in SPLITS}
    return Shares(counts["val"] / len(entries), counts["test"] / len(entries), seed)


def _label(data: ImageDataset, target: Target) -> str:
    return ";".join(data.classes[i] for i in target) if isinstance(target, tuple) else data.words(target)
