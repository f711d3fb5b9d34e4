"""Pictures put beside a table one at a time, so that `read_table` finds each with what it was given."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Literal

from lensmith.data.labelled_folder import file_name
from lensmith.errors import DataError
from lensmith.runs.files import write_bytes, write_text

_TABLE, _PICTURES = "labels.csv", "pictures"

Column = Literal["labels", "value"]


def why_no_cell(label: str) -> str:
    """Why a label cannot stand in a cell with others and be read back; `""` where it can."""
    if not label or label != label.strip():
        return "it is empty" if not label else "it begins or ends with a space"
    if not label.isprintable() or any(separator in label for separator in ";|"):
        return "a table would take it for several"
    return ""


class LabelledTable:
    """`ROOT/labels.csv` and `ROOT/pictures/SHA256.jpg`: each picture once, with what it was given last.

    column: "labels" for several labels, "value" for a number. Raises `DataError` for another table in the folder.
    """

    def __init__(self, root: Path, column: Column) -> None:
        self._root = root
        self._header = ["path", column]
        self._cells: dict[str, str] = {}
        file = root / _TABLE
        if file.exists():
            try:
                header, *rows = csv.reader(file.read_text(encoding="utf-8").splitlines())
                self._cells = dict(rows)
            except (ValueError, csv.Error):
                header = []
            if header != self._header:
                raise DataError(
                    f"its {_TABLE} is another table, without the columns {', '.join(self._header)}"
                )

    def find(self, content: bytes) -> Path | None:
        """Where these bytes lie already."""
        place = self._root / _PICTURES / file_name(content)
        return place if place.is_file() else None

    def put(self, content: bytes, cell: str) -> Path:
        """Write a picture's bytes as they are, and its row. Raises `DataError` for its format, and `OSError`."""
        place = self._root / _PICTURES / file_name(content)
        if not place.is_file():
            write_bytes(place, content)
        cells = {**self._cells, place.relative_to(self._root).as_posix(): cell}
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self._header, *cells.items()])
        write_text(self._root / _TABLE, text.getvalue())
        self._cells = cells
        return place
