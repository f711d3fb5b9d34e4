"""`lensmith predict`."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lensmith.cli import show
from lensmith.errors import PictureError

if TYPE_CHECKING:
    from lensmith.bundle.bundle import Bundle
    from lensmith.types import Prediction

_CHUNK = 64


def predict(
    run: Annotated[str, typer.Argument(help="A run, a bundle, or last.", metavar="RUN")],
    pictures: Annotated[list[str], typer.Argument(help="Pictures, folders or URLs.", metavar="PICTURE...")],
    top: Annotated[int, typer.Option(help="How many names to show.", min=1, max=5)] = 1,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 if any cannot be read.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table with a header.")] = False,
) -> int:
    """Names with probabilities.

    Examples:

    \b
      lensmith predict last dog.jpg
      lensmith predict last holiday/ https://example.org/cat.jpg --json > answers.jsonl
    """
    from lensmith.bundle.bundle import load_model

    bundle = load_model(run)
    write = _json_line if as_json else _CsvLines() if as_csv else _words_line(top)
    read = failed = 0
    for name, answer in _answers(bundle, list(_named(pictures))):
        if isinstance(answer, PictureError):
            failed += 1
        else:
            read += 1
        write(name, answer)
    if not read and not failed:
        show.error("no pictures there", "Name picture files, or folders that hold some.")
    return 3 if not read or (strict and failed) else 0


def _json_line(name: str, answer: Prediction | PictureError) -> None:
    if isinstance(answer, PictureError):
        show.data({"file": name, "error": answer.reason})
    else:
        show.data({"file": name, **answer.as_dict()})


def _words_line(top: int) -> Callable[[str, Prediction | PictureError], None]:
    def write(name: str, answer: Prediction | PictureError) -> None:
        if isinstance(answer, PictureError):
            show.error(f"{name}: {answer.reason}", answer.hint)
        elif top == 1 or answer.value is not None:
            show.line(f"{name}  {answer}")
        else:
            names = ", ".join(f"{label} {probability:.1%}" for label, probability in answer.top[:top])
            show.line(f"{name}  {names}{'' if answer.sure else ' (not sure)'}")

    return write


class _CsvLines:
    """Rows under one header, quoted as CSV wants it; what cannot be read has its reason in the last column."""

    def __init__(self) -> None:
        self._begun = False

    def __call__(self, name: str, answer: Prediction | PictureError) -> None:
        if not self._begun:
            self._row(["file", "label", "probability", "sure", "error"])
            self._begun = True
        if isinstance(answer, PictureError):
            self._row([name, "", "", "", answer.reason])
        elif answer.value is not None:
            self._row([name, repr(answer.value), "", "", ""])
        else:
            self._row([name, answer.label, repr(answer.probability), str(answer.sure).lower(), ""])

    def _row(self, cells: list[str]) -> None:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="").writerow(cells)
        show.line(buffer.getvalue())


def _named(words: list[str]) -> Iterator[str]:
    """The files and URLs named, and below folders the files that look like pictures."""
    from lensmith.data.folders import looks_like_picture

    for word in words:
        path = Path(word)
        if not path.is_dir():
            yield word
            continue
        for file in sorted(path.rglob("*")):
            # .ipynb_checkpoints and the like hold copies, __MACOSX holds no pictures at all.
            hidden = any(part.startswith((".", "__MACOSX")) for part in file.relative_to(path).parts)
            if not hidden and looks_like_picture(file) and file.is_file():
                yield str(file)


def _answers(bundle: Bundle, names: list[str]) -> Iterator[tuple[str, Prediction | PictureError]]:
    """In the order asked, a chunk through the model at a time."""
    import numpy as np

    from lensmith.pictures.web import is_url, read_url

    for start in range(0, len(names), _CHUNK):
        prepared = []
        found: list[tuple[str, PictureError | None]] = []
        for name in names[start : start + _CHUNK]:
            try:
                prepared.append(bundle.prepare(read_url(name) if is_url(name) else Path(name)))
                found.append((name, None))
            except PictureError as error:
                found.append((name, error))
        predictions = iter(bundle.predict_prepared(np.stack(prepared)) if prepared else [])
        for name, trouble in found:
            yield name, trouble or next(predictions)
