"""Pictures asked about on a command line -> a file of answers, and folders by label; gone on with when stopped."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from lensmith.bundle.answer_file import answer_file, check_name
from lensmith.bundle.bundle import load_model
from lensmith.bundle.prediction import Answer, predict_each
from lensmith.bundle.sorting import ANSWERS, Sorter, refuse_sources
from lensmith.data.listing import STDIN, folders_named, pictures_named
from lensmith.errors import PictureError, UsageError
from lensmith.types import Event, Prediction

_SHOWN = 10
_TOLD = 0.2
"""Seconds between two events."""


@dataclass
class Tally:
    """read, failed: pictures of this run; before: answered by an earlier one; reasons: the first few failures."""

    file: Path
    before: int = 0
    read: int = 0
    failed: int = 0
    reasons: list[PictureError] = field(default_factory=list)

    def count(self, name: str, said: Prediction | PictureError) -> None:
        """Take one answer into account."""
        if not isinstance(said, PictureError):
            self.read += 1
            return
        self.failed += 1
        if len(self.reasons) < _SHOWN:
            self.reasons.append(PictureError(name, said.reason, hint=said.hint))


def answer_into_file(
    run: str | Path, words: Sequence[str], *, out: Path | None, sort: Path | None, link: bool = False
) -> Generator[Event, None, Tally]:
    """Answer what `words` name into `out`, or into a list in the folder `sort`, where pictures then go by label.

    What is answered there is not asked again. A generator of progress; stopped anywhere, it can be gone on with.
    """
    if sort is not None:
        if sort.exists() and not sort.is_dir():
            raise UsageError(f"{sort}: a file, and pictures are sorted into a folder", hint="Name a folder.")
        refuse_sources(sort, folders_named(words))
    if out is not None:
        check_name(out)
    bundle = load_model(run)
    if sort is not None:
        if bundle.task == "regression":
            raise UsageError(
                "this model answers with numbers, and there is no folder for each", hint="Leave out --sort."
            )
        sort.mkdir(parents=True, exist_ok=True)
    path = out or (sort or Path()) / ANSWERS
    with ExitStack() as stack:
        file = stack.enter_context(answer_file(path, bundle.sha256, sort=sort))
        sorter = None
        if sort is not None:
            sorter = stack.enter_context(closing(Sorter(sort, bundle.classes, file.places, link=link)))
        tally = Tally(path, before=len(file.seen))
        pictures = (one for one in pictures_named(words) if one.name == STDIN or file.is_new(one.name))
        chunks = stack.enter_context(closing(predict_each(bundle, pictures, keep=sorter is not None)))
        began = told = time.monotonic()
        for chunk in chunks:
            rows = [_row(answer, sorter) for answer in chunk]
            file.write(rows)
            for name, said, _ in rows:
                tally.count(name, said)
            now = time.monotonic()
            if now - told > _TOLD:
                told, done = now, tally.read + tally.failed
                yield Event("predict", f"pictures, {done / (now - began):,.0f} a second", done)
    return tally


def _row(answer: Answer, sorter: Sorter | None) -> tuple[str, Prediction | PictureError, str]:
    name, said = answer.asked.name, answer.said
    if sorter is None or isinstance(said, PictureError):
        return name, said, ""
    try:
        return name, said, sorter.put(answer, said)
    except PictureError as error:
        return name, error, ""
