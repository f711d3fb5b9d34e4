"""`lensmith predict`."""

from __future__ import annotations

from collections.abc import Iterator
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
    pictures: Annotated[list[Path], typer.Argument(help="Pictures or folders.", metavar="PICTURE...")],
    top: Annotated[int, typer.Option(help="How many names to show.", min=1, max=5)] = 1,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 if any cannot be read.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> int:
    """Names with probabilities.

    Examples:

    \b
      lensmith predict last dog.jpg
      lensmith predict last holiday/ --json > answers.jsonl
    """
    from lensmith.bundle.bundle import load_model

    bundle = load_model(run)
    read = failed = 0
    for file, answer in _answers(bundle, list(_files(pictures))):
        if isinstance(answer, PictureError):
            failed += 1
            if as_json:
                show.data({"file": str(file), "error": answer.reason})
            else:
                show.error(f"{file}: {answer.reason}", answer.hint)
            continue
        read += 1
        if as_json:
            show.data({"file": str(file), **answer.as_dict()})
        else:
            show.line(_words(file, answer, top))
    if not read and not failed:
        show.error("no pictures there", "Name picture files, or folders that hold some.")
    return 3 if not read or (strict and failed) else 0


def _words(file: Path, answer: Prediction, top: int) -> str:
    if top == 1:
        return f"{file}  {answer}"
    names = ", ".join(f"{name} {probability:.1%}" for name, probability in answer.top[:top])
    return f"{file}  {names}{'' if answer.sure else ' (not sure)'}"


def _files(named: list[Path]) -> Iterator[Path]:
    """The files named, and below folders those that look like pictures."""
    from lensmith.data.folders import looks_like_picture

    for path in named:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                # .ipynb_checkpoints and the like hold copies, __MACOSX holds no pictures at all.
                hidden = any(part.startswith((".", "__MACOSX")) for part in file.relative_to(path).parts)
                if not hidden and looks_like_picture(file) and file.is_file():
                    yield file
        else:
            yield path


def _answers(bundle: Bundle, files: list[Path]) -> Iterator[tuple[Path, Prediction | PictureError]]:
    """In the order asked, a chunk through the model at a time."""
    import numpy as np

    for start in range(0, len(files), _CHUNK):
        prepared = []
        found: list[tuple[Path, PictureError | None]] = []
        for file in files[start : start + _CHUNK]:
            try:
                prepared.append(bundle.prepare(file))
                found.append((file, None))
            except PictureError as error:
                found.append((file, error))
        predictions = iter(bundle.predict_prepared(np.stack(prepared)) if prepared else [])
        for file, trouble in found:
            yield file, trouble or next(predictions)
