"""`load_data`: from whatever holds labelled pictures to an `ImageDataset`."""

from __future__ import annotations

import contextlib
import difflib
from pathlib import Path

from lensmith.data.dataset import ImageDataset
from lensmith.data.folders import read_folder
from lensmith.data.grouping import grouped
from lensmith.data.named import PREFIX, load_named
from lensmith.data.own import read_examples
from lensmith.data.sharded import are_shards, read_shards
from lensmith.data.tables import read_table
from lensmith.errors import DataError, UsageError
from lensmith.types import Examples, Task

_TABLE = "labels.csv"


def load_data(
    source: str | Path | ImageDataset | Examples,
    *,
    root: str | Path | None = None,
    task: Task | None = None,
    group_by: str | None = None,
) -> ImageDataset:
    """Labelled pictures from a folder, a CSV, shards, a name, or an own data set.

    A folder holds a folder per class, with train/, val/, test/ on top or not, or a table labels.csv. A CSV names
    path and label (split and group if it likes). Shards are tar files, here or behind a URL (`data.sharded`).
    `digits` is embedded, `torchvision:CIFAR10` and its like are
    downloaded by torchvision or read from `root`. Anything with `__len__` and `__getitem__(i) -> (picture,
    target)` is taken as it is. task: where the labels leave it open (whole numbers are classes otherwise).
    group_by: a column, `folder`, or a pattern of names, for pictures that no split may part (`data.grouping`).
    Raises `DataError` where there is nothing to learn from. An existing path wins over a name.
    """
    if isinstance(source, str | Path) and are_shards(str(source)):
        _refuse_root(source, root)
        shards = read_shards(str(source), task)
        return shards if group_by is None else grouped(shards, group_by)
    table = _table(source)
    if table is not None:
        _refuse_root(source, root)
        return read_table(table, task, group_by)
    data = _load(source, root, task)
    if group_by is None:
        return data
    return grouped(data, group_by, root=Path(source) if isinstance(source, str | Path) else None)


def _table(source: object) -> Path | None:
    """The table that holds the labels, where one does."""
    if not isinstance(source, str | Path):
        return None
    path = Path(source)
    if not path.is_dir():
        return path if path.exists() else None
    with contextlib.suppress(PermissionError):  # read_folder has the words for it
        if (path / _TABLE).is_file():
            return path / _TABLE
    return None


def _refuse_root(source: object, root: str | Path | None) -> None:
    if root is not None and not str(source).startswith(PREFIX):
        raise UsageError(
            f"root={root} is where a named data set lies, and {source} is no name",
            hint=f"Write {PREFIX}CIFAR10 and the like, or leave root out.",
        )


def _load(
    source: str | Path | ImageDataset | Examples, root: str | Path | None, task: Task | None
) -> ImageDataset:
    if isinstance(source, ImageDataset):
        return source
    if not isinstance(source, str | Path):
        return read_examples(source, load_data, task)
    path = Path(source)
    _refuse_root(source, root)
    if path.is_dir():
        return read_folder(path)
    if str(source) == "digits":
        from lensmith.data.sample import digits

        return digits()
    if str(source).startswith(PREFIX):
        return load_named(str(source), root)
    raise DataError(f"{source}: no such folder", hint=_nearest(path))


def _nearest(path: Path) -> str:
    parent = path.parent
    names = [p.name for p in parent.iterdir() if p.is_dir()] if parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    if near:
        return f"Did you mean {parent / near[0]}?"
    return f"Looked in {parent.absolute()}." if parent.is_dir() else f"There is no {parent} either."
