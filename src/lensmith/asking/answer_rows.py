"""An answer as a row: an object of JSON Lines, or cells of a CSV; and such rows read again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from lensmith.errors import PictureError
from lensmith.types import Prediction

CELLS = ("file", "label", "probability", "sure", "unlike", "error")
_KEPT = (*CELLS, "model", "place")


def as_object(name: str, said: Prediction | PictureError) -> dict[str, Any]:
    """The JSON form."""
    if isinstance(said, PictureError):
        return {"file": name, "error": said.reason}
    return {"file": name, **said.as_dict()}


def as_cells(name: str, said: Prediction | PictureError) -> list[str]:
    """The cells under `CELLS`; a number, where that is the answer, stands under label."""
    if isinstance(said, PictureError):
        return [name, "", "", "", "", said.reason]
    unlike = str(said.unlike).lower()
    if said.value is not None:
        return [name, repr(said.value), "", "", unlike, ""]
    return [name, said.label, repr(said.probability), str(said.sure).lower(), unlike, ""]


def csv_line(cells: list[str] | tuple[str, ...]) -> str:
    """Quoted as CSV wants it, without the end of the line."""
    line = io.StringIO()
    csv.writer(line).writerow(cells)  # it quotes what its own end of a line is made of, \r and \n
    return line.getvalue().removesuffix("\r\n")


@dataclass(frozen=True)
class Row:
    """What is asked of a row that was read again.

    model: "" where the row names none; place: "" where its picture was not sorted anywhere.
    """

    name: str
    model: str
    failed: bool
    place: str


class JsonLines:
    """Rows of a .jsonl file. `head` is what stands above the rows, `begins` what a file of them begins with."""

    head = b""
    begins = b'{"file": "'

    def line(self, name: str, said: Prediction | PictureError, model: str, place: str) -> bytes:
        """One row with the end of its line."""
        row = {**as_object(name, said), "model": model, **({"place": place} if place else {})}
        # a name of bytes that are no text holds lone surrogates, which only an escape can carry
        return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"

    def rows(self, file: BinaryIO) -> Iterator[tuple[int, Row | None]]:
        """`(where it ends, row)` of each whole line, None for what is no row."""
        end = 0
        for line in file:
            end += len(line)
            if line.endswith(b"\n"):
                yield end, _row_of(line)


def _row_of(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    name, model, place = (str(row.get(key, "")) for key in ("file", "model", "place"))
    return Row(name, model, "error" in row, place)


class CsvTable:
    """Rows of a .csv file under one header; as `JsonLines`."""

    head = begins = csv_line(_KEPT).encode() + b"\n"

    def line(self, name: str, said: Prediction | PictureError, model: str, place: str) -> bytes:
        """One row with the end of its line."""
        return csv_line([*as_cells(name, said), model, place]).encode("utf-8", "surrogateescape") + b"\n"

    def rows(self, file: BinaryIO) -> Iterator[tuple[int, Row | None]]:
        """`(where it ends, row)` of each whole row after the header, None for what is no row."""
        end, whole = 0, True

        def lines() -> Iterator[str]:
            nonlocal end, whole
            for line in file:
                end += len(line)
                whole = line.endswith(b"\n")
                yield line.decode("utf-8", "surrogateescape")

        reader = csv.reader(lines(), strict=True)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                cells = []
            if whole and end > len(self.head):
                yield end, _row_in(cells)


def _row_in(cells: list[str]) -> Row | None:
    if len(cells) != len(_KEPT):
        return None
    row = dict(zip(_KEPT, cells, strict=True))
    return Row(row["file"], row["model"], bool(row["error"]), row["place"])
