"""`lensmith predict`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lensmith.cli import show
from lensmith.cli.progress import follow
from lensmith.errors import PictureError, UsageError
from lensmith.types import Event

if TYPE_CHECKING:
    from lensmith.asking.answering import Tally
    from lensmith.types import Prediction

    Write = Callable[[str, Prediction | PictureError], None]


def predict(
    run: Annotated[str, typer.Argument(help="A run, a bundle, or last.", metavar="RUN")],
    pictures: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, folders, 'quoted/*.jpg', tables (.csv), archives (.zip, .tar), URLs, shards, or -.",
            metavar="PICTURE...",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A .csv or .jsonl file, gone on with if it is there.")
    ] = None,
    sort: Annotated[
        Path | None, typer.Option(help="A folder to copy the pictures into, by label; goes on too.")
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Sort by links instead of copies.")] = False,
    top: Annotated[int, typer.Option(help="How many names to show.", min=1, max=5)] = 1,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 if any cannot be read.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table with a header.")] = False,
    ray: Annotated[
        str, typer.Option(help="Spread --out over a Ray cluster: auto, HOST:PORT, local.", metavar="ADDRESS")
    ] = "",
) -> int:
    """Names with probabilities.

    Examples:

    \b
      lensmith predict last dog.jpg
      lensmith predict last holiday/ https://example.org/cat.jpg --json > answers.jsonl
      lensmith predict last archive.zip --out answers.csv
      lensmith predict last holiday/ --sort sorted/
      lensmith predict last /mnt/photos 'shards/*.tar' --out answers.csv --ray auto
    """
    if link and sort is None:
        raise UsageError("--link says how to sort, and --sort is not there", hint="Add --sort DIR.")
    if ray and (out is None or sort is not None):
        raise UsageError(
            "--ray is for answers that go into a file, and not for --sort",
            hint="Add --out answers.csv. Sort afterwards, by the table."
            if sort
            else "Add --out answers.csv.",
        )
    if out is not None or sort is not None:
        if as_json or as_csv:
            raise UsageError(
                "--json and --csv are for stdout, and the answers go into a file",
                hint="Its suffix decides: --out answers.csv or answers.jsonl.",
            )
        read, failed = _into_file(_answering(run, pictures, out, sort, link, ray), sort)
    else:
        read, failed = _onto_stdout(run, pictures, _written(top, as_json, as_csv))
    if not read and not failed:
        show.error("no pictures there", "Name picture files, or folders that hold some.")
    return 3 if not read or (strict and failed) else 0


def _answering(
    run: str, words: list[str], out: Path | None, sort: Path | None, link: bool, ray: str
) -> Generator[Event, None, Tally]:
    if ray and out is not None:
        from lensmith.asking.cluster_job import answer_on_cluster

        return answer_on_cluster(run, words, out=out, address=ray)
    from lensmith.asking.answering import answer_into_file

    return answer_into_file(run, words, out=out, sort=sort, link=link)


def _into_file(job: Generator[Event, None, Tally], sort: Path | None) -> tuple[int, int]:
    try:
        tally = follow(job)
    except BaseException as stop:
        if not isinstance(stop, Exception):
            stop.add_note("what is answered is kept; the same command goes on from there")
        raise
    for trouble in tally.reasons:
        show.error(f"{trouble.name}: {trouble.reason}", trouble.hint)
    show.entry("predict", _summary(tally, sort))
    return tally.before + tally.read, tally.failed


def _summary(tally: Tally, sort: Path | None) -> str:
    count = tally.read + tally.failed
    words = f"{count:,} picture{'' if count == 1 else 's'}"
    words += f", and {tally.before:,} answered before" if tally.before else ""
    words += f"; {tally.failed:,} could not be read, and will be asked again" if tally.failed else ""
    words += f"; sorted into {sort}" if sort is not None else ""
    return f"{words}; see {tally.file}"


def _onto_stdout(run: str, words: list[str], write: Write) -> tuple[int, int]:
    from lensmith.asking.prediction import predict_each
    from lensmith.bundle.bundle import load_model
    from lensmith.data.listing import pictures_named

    read = failed = 0
    try:
        for chunk in predict_each(load_model(run), pictures_named(words)):
            for answer in chunk:
                failed += isinstance(answer.said, PictureError)
                read += not isinstance(answer.said, PictureError)
                write(answer.asked.name, answer.said)
            if sys.stdout is not None and not sys.stdout.isatty():  # else the answers are the progress
                show.Progress.show(Event("predict", "pictures", read + failed))
    finally:
        show.Progress.clear()
    return read, failed


def _written(top: int, as_json: bool, as_csv: bool) -> Write:
    from lensmith.asking.answer_rows import CELLS, as_cells, as_object, csv_line

    if as_json:
        return lambda name, said: show.data(as_object(name, said))
    if not as_csv:
        return _words_line(top)
    begun: list[str] = []

    def write(name: str, said: Prediction | PictureError) -> None:
        if not begun:
            begun.append(name)
            show.line(csv_line(CELLS))
        show.line(csv_line(as_cells(name, said)))

    return write


def _words_line(top: int) -> Write:
    def write(name: str, answer: Prediction | PictureError) -> None:
        if isinstance(answer, PictureError):
            show.error(f"{name}: {answer.reason}", answer.hint)
        elif top == 1 or answer.value is not None:
            show.line(f"{name}  {answer}")
        else:
            names = ", ".join(f"{label} {probability:.1%}" for label, probability in answer.top[:top])
            show.line(f"{name}  {names}{f' ({answer.doubt})' if answer.doubt else ''}")

    return write
