"""Tables that name pictures by path and sha256, `splits.csv` and `decisions.csv`: how a picture is named in them, and
how they are read."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lensmith.data.dataset import Example
from lensmith.errors import DataError
from lensmith.shards.member import Member


@dataclass(frozen=True)
class PictureRow:
    """One row. path: from the data's folder, with `/`; sha256: of the picture's file; each "" where not said."""

    line: int
    path: str
    sha256: str
    cells: Mapping[str, str | None]


def read_picture_rows(
    file: Path, what: str, column: str, header: Sequence[str], by: str
) -> Iterator[PictureRow]:
    """The rows of a table. It has `column`, and path or sha256 or both; what, header, by: for the error where it has
    not, what it is a table of, the columns that it should have, and who writes it.

    Raises `DataError`.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as opened:
            start = opened.read(4096)
            opened.seek(0)
            delimiter = max(",;\t", key=start.split("\n")[0].count)  # as spreadsheets save it
            rows = csv.DictReader(opened, delimiter=delimiter)
            names = rows.fieldnames or ()
            if column not in names or not {"path", "sha256"} & set(names):
                raise DataError(
                    f"{file}: no file of {what}; its columns are {', '.join(names) or 'none'}",
                    hint=f"It has {', '.join(header)}, as {by}.",
                )
            for row in rows:
                path = (row.get("path") or "").replace(os.sep, "/")
                yield PictureRow(rows.line_num, path, (row.get("sha256") or "").strip().lower(), row)
    except (OSError, csv.Error) as error:
        raise DataError(f"{file}: no {what} can be read there ({error})") from error


def folder_of(source: object) -> str:
    """The folder that a data set's paths are written from; "" where it has none."""
    if not isinstance(source, str | Path):
        return ""
    path = Path(source)
    folder = path if path.is_dir() else path.parent if path.is_file() else None
    return "" if folder is None else os.fspath(folder)


def path_from(folder: str, example: Example) -> str:
    """A picture's path from that folder, with `/`; as it is where it lies elsewhere or is no file. In a shard, the
    path that it had before it came there."""
    if isinstance(example.source, Member):
        return example.source.path or f"{example.source.shard.name}!{example.source.name}"
    if not isinstance(example.source, Path):
        return str(example.source)
    name = os.fspath(example.source)
    if folder != "." and folder and name.startswith(folder) and name[len(folder) : len(folder) + 1] == os.sep:
        name = name[len(folder) + 1 :]
    return name.replace(os.sep, "/")
