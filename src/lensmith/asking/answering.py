"""Pictures asked about on a command line -> a file of answers, and folders by label; gone on with when stopped."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from lensmith.asking.answer_file import AnswerFile, answer_file, check_name
from lensmith.asking.prediction import Answer, predict_each
from lensmith.asking.sorting import ANSWERS, Sorter, check_folder, make_folder
from lensmith.bundle.bundle import Bundle, load_model
from lensmith.data.listing import STDIN, folders_named, pictures_named
from lensmith.errors import PictureError
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

    def count(self, name: str, fault: PictureError | None) -> None:
        """Take one answer into account, or why there is none."""
        if fault is None:
            self.read += 1
            return
        self.failed += 1
        if len(self.reasons) < _SHOWN:
            self.reasons.append(PictureError(name, fault.reason, hint=fault.hint))


def answer_into_file(
    run: str | Path, words: Sequence[str], *, out: Path | None, sort: Path | None, link: bool = False
) -> Generator[Event, None, Tally]:
    """Answer what `words` name into `out`, or into a list in the folder `sort`, where pictures then go by label.

    What is answered there is not asked again. A generator of progress; stopped anywhere, it can be gone on with.
    """
    if sort is not None:
        check_folder(sort, folders_named(words))
    if out is not None:
        check_name(out)
    bundle = load_model(run)
    if sort is not None:
        make_folder(sort, bundle.task)
    path = out or (sort or Path()) / ANSWERS
    with answer_file(path, bundle.sha256, sort=sort) as file, ExitStack() as stack:
        if file.damaged:
            yield Event("predict", f"{path}: damaged rows ({file.damaged:,}) are asked again")
        sorter = None
        if sort is not None:
            sorter = stack.enter_context(closing(Sorter(sort, bundle.classes, file.places, link=link)))
        tally = Tally(path, before=len(file.seen))
        yield from _go_on(bundle, words, file, sorter, tally)
    return tally


def _go_on(
    bundle: Bundle, words: Sequence[str], file: AnswerFile, sorter: Sorter | None, tally: Tally
) -> Iterator[Event]:
    pictures = (one for one in pictures_named(words) if one.name == STDIN or file.is_new(one.name))
    began = told = time.monotonic()
    with closing(predict_each(bundle, pictures, keep=sorter is not None)) as chunks:
        for chunk in chunks:
            rows = [_row(answer, sorter) for answer in chunk]
            file.write(rows)
            for name, said, _ in rows:
                tally.count(name, said if isinstance(said, PictureError) else None)
            now = time.monotonic()
            if now - told > _TOLD:
                told, done = now, tally.read + tally.failed
                yield Event("predict", f"pictures, {done / (now - began):,.0f} a second", done)


def _row(answer: Answer, sorter: Sorter | None) -> tuple[str, Prediction | PictureError, str]:
    name, said = answer.asked.name, answer.said
    if sorter is None or isinstance(said, PictureError):
        return name, said, ""
    try:
        return name, said, sorter.put(answer, said)
    except PictureError as error:
        return name, error, ""
