"""A CSV of pictures and what they show -> `ImageDataset`."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from lensmith.data.dataset import SPLITS, Example, ImageDataset, Skipped, Target
from lensmith.data.grouping import grouped
from lensmith.data.learnt import require_learnt
from lensmith.errors import DataError
from lensmith.types import Task

_PATH = ("path", "file", "filename", "file_name", "image", "picture", "img")
_URL = ("url", "uri", "link", "image_url")
_LABEL = ("label", "labels", "class", "classes", "target", "value", "y")
_SPLIT = ("split", "subset", "fold", "set")
_GROUP = ("group", "group_id")
_SEPARATORS = (";", "|")
_SPLIT_NAMES = {"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"}


@dataclass(frozen=True)
class Columns:
    """Which column holds what; `split` and `group` are "" where there is none."""

    path: str
    label: str
    split: str
    group: str


def read_table(file: Path, task: Task | None = None, group_by: str | None = None) -> ImageDataset:
    """Read a CSV with a header: a column of paths, taken from the CSV's folder, and one of labels.

    Several labels in a cell are separated by `;` or `|`; numbers that are not all whole make a regression.
    Columns called split and group are used where they are there; `group_by` names another for the groups.
    Raises `DataError`.
    """
    rows = _rows(file)
    columns = _columns(file, list(rows[0]))
    kept: list[dict[str, str]] = []
    skipped: list[Skipped] = []
    for row in rows:
        place = file.parent / row[columns.path]
        if _is_there(place):
            kept.append(row)
        else:
            skipped.append(Skipped(str(place), "named in the table, and not there"))
    if len(kept) * 2 <= len(rows):
        raise DataError(
            f"{file}: {len(skipped)} of {len(rows)} pictures are not there, the first {skipped[0].file}",
            hint=f"Column '{columns.path}' is taken from the table's folder, {file.parent.absolute()}.",
        )
    labels = [row[columns.label].strip() for row in kept]
    found = task or _task(labels, columns.label)
    classes, targets = _targets(labels, found, file)
    examples = [
        Example(file.parent / row[columns.path], target, _split(row, columns, file), _group(row, columns))
        for row, target in zip(kept, targets, strict=True)
    ]
    data = ImageDataset(
        examples,
        classes,
        task=found,
        name=file.resolve().parent.name if file.name == "labels.csv" else file.stem,
        skipped=skipped,
    )
    if found != "regression" and "train" in data.splits:
        learnt = data.split("train").counts()
        for split in data.splits:
            require_learnt(learnt, data.split(split).counts(), split, str(file))
    if group_by is None:
        return data
    cells = {name: [row[name] for row in kept] for name in rows[0]}
    return grouped(data, group_by, root=file.parent, cells=cells)


def _is_there(place: Path) -> bool:
    try:
        return place.is_file()
    except OSError:  # a cell too long for a name
        return False


def is_table(file: Path) -> bool:
    """Whether a file's name says that it is a table."""
    return file.suffix.lower() in (".csv", ".tsv")


def table_paths(file: Path) -> Iterator[tuple[int, str]]:
    """`(line, path or URL)` for each row of a CSV with a header, read as it is asked for. Raises `DataError`."""
    column = ""
    for number, row in _read_rows(file):
        if not column:
            names = list(row)
            column = _find(names, _PATH) or _find(names, _URL) or _missing(file, names, "path")
        yield number, row[column]
    if not column:
        raise _no_rows(file)


def _rows(file: Path) -> list[dict[str, str]]:
    rows = [row for _, row in _read_rows(file)]
    if not rows:
        raise _no_rows(file)
    return rows


def _read_rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """`(line, cells by column)`."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            start = opened.read(4096)
            opened.seek(0)
            delimiter = max(",;\t", key=start.split("\n")[0].count)
            reader = csv.DictReader(opened, delimiter=delimiter)
            for row in reader:
                yield reader.line_num, {k.strip(): (v or "").strip() for k, v in row.items() if k}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{file}: cannot be read as a table ({error})", hint="Save it as CSV in UTF-8."
        ) from error


def _no_rows(file: Path) -> DataError:
    return DataError(f"{file}: no rows under its header", hint="The first line names the columns: path,label")


def _columns(file: Path, names: Sequence[str]) -> Columns:
    path, label = (
        _find(names, wanted) or _missing(file, names, word)
        for wanted, word in ((_PATH, "path"), (_LABEL, "label"))
    )
    return Columns(path, label, _find(names, _SPLIT), _find(names, _GROUP))


def _find(names: Sequence[str], wanted: Sequence[str]) -> str:
    return next((name for name in names if name.lower() in wanted), "")


def _missing(file: Path, names: Sequence[str], wanted: str) -> NoReturn:
    near = difflib.get_close_matches(wanted, names, n=1)
    raise DataError(
        f"{file}: no column called {wanted}; it has {', '.join(names)}",
        hint=f"Rename {near[0] if near else 'the right one'} to {wanted}.",
    )


def _task(labels: Sequence[str], column: str) -> Task:
    if column.lower() in ("labels", "classes") or any(s in label for s in _SEPARATORS for label in labels):
        return "multilabel"
    if column.lower() == "value":
        return "regression"
    numbers = [_number(label) for label in labels]
    if None in numbers or all(number is not None and number.is_integer() for number in numbers):
        return "classification"
    return "regression"


def _targets(labels: Sequence[str], task: Task, file: Path) -> tuple[list[str], list[Target]]:
    if task == "regression":
        numbers = [_number(label) for label in labels]
        for label, number in zip(labels, numbers, strict=True):
            if number is None:
                raise DataError(f"{file}: '{label}' is not a number, and the task is regression")
        return [], [number for number in numbers if number is not None]
    several = [_names(label) if task == "multilabel" else (label,) for label in labels]
    if task == "classification" and "" in labels:
        raise DataError(f"{file}: a picture without a label", hint="Every row needs one; several are a;b.")
    classes = sorted({name for names in several for name in names})
    index = {name: i for i, name in enumerate(classes)}
    if task == "multilabel":
        return classes, [tuple(sorted({index[name] for name in names})) for names in several]
    return classes, [index[names[0]] for names in several]


def _names(cell: str) -> tuple[str, ...]:
    for separator in _SEPARATORS[1:]:
        cell = cell.replace(separator, _SEPARATORS[0])
    return tuple(name.strip() for name in cell.split(_SEPARATORS[0]) if name.strip())


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _split(row: dict[str, str], columns: Columns, file: Path) -> str:
    if not columns.split:
        return ""
    word = row[columns.split].strip().lower()
    name = _SPLIT_NAMES.get(word, word)
    if name not in SPLITS:
        raise DataError(
            f"{file}: '{word}' in column {columns.split} is no split", hint="It is train, val or test."
        )
    return name


def _group(row: dict[str, str], columns: Columns) -> str:
    return row[columns.group].strip() if columns.group else ""
