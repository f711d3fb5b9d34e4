"""Any number of pictures through a bundle: the next ones are read and decoded while these are computed."""

from __future__ import annotations

import stat
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from lensmith.bundle.bundle import Bundle
from lensmith.errors import PictureError
from lensmith.machine.ahead import worked_ahead
from lensmith.machine.limits import cores
from lensmith.pictures.asked import Asked
from lensmith.pictures.decode import QUIET, Pixels
from lensmith.types import Prediction

_FETCHING = 8
"""Threads that read; of them as many as there are cores decode. More would gain only with slow servers."""
_WAITING = 64
"""Pictures that may wait, prepared, besides those of the next call; fewer where they are large."""
_WAITING_PIXELS = _WAITING * 224 * 224
_LARGEST = 1 << 30
_IN_MEMORY = 1 << 20


@dataclass(frozen=True)
class Answer:
    """said: what the model says, or why the picture cannot be read.

    kept: its bytes, where they were to be kept and cannot be read again from a file.
    """

    asked: Asked
    said: Prediction | PictureError
    kept: IO[bytes] | None = None


def predict_each(
    bundle: Bundle, pictures: Iterator[Asked], *, keep: bool = False, processors: int | None = None
) -> Generator[list[Answer], None, None]:
    """One answer a picture, in their order, some at a time: as many as the engine computes best at once.

    keep: whether the bytes of what lies in archives and on the web are kept with its answer. processors: how many
    cores may decode; None for all.
    """
    processors = processors or cores()
    decoding = threading.Semaphore(processors)
    height, width = bundle.preprocess.size
    many = bundle.engine.at_once(height, width)
    most = many + min(_WAITING, max(_FETCHING, _WAITING_PIXELS // (height * width)))

    def prepare(read: _Read) -> _Prepared:
        try:
            content = _file(read.asked) or (read.asked.content() if read.content is None else read.content)
            if isinstance(content, PictureError):
                raise content
            with decoding:
                pixels = bundle.prepare(content)
        except PictureError as error:
            return _Prepared(read.asked, error)
        return _Prepared(read.asked, pixels, _kept(content) if keep and isinstance(content, bytes) else None)

    prepared = worked_ahead(_read_in_turn(pictures), prepare, ahead=most, threads=max(_FETCHING, processors))
    with QUIET, closing(prepared):
        waiting: list[_Prepared] = []
        readable = 0
        for one in prepared:
            waiting.append(one)
            readable += not isinstance(one.pixels, PictureError)
            if readable == many or len(waiting) == most:
                yield _answered(bundle, waiting)
                waiting, readable = [], 0
        if waiting:
            yield _answered(bundle, waiting)


def _file(asked: Asked) -> Path | None:
    """Its own file, where it has one that can be read again, as a pipe cannot."""
    if asked.path is None:
        return None
    try:
        facts = asked.path.stat()
    except (OSError, ValueError):  # whoever reads it has the words
        return asked.path
    if facts.st_size > _LARGEST:  # a file with holes may state any size
        raise PictureError(asked.name, f"{facts.st_size:,} bytes, more than any picture that is taken")
    return None if stat.S_ISFIFO(facts.st_mode) else asked.path


@dataclass(frozen=True)
class _Read:
    asked: Asked
    content: bytes | PictureError | None


@dataclass(frozen=True)
class _Prepared:
    asked: Asked
    pixels: Pixels | PictureError
    kept: IO[bytes] | None = None


def _read_in_turn(pictures: Iterator[Asked]) -> Iterator[_Read]:
    """What has to be read before the next is asked for is."""
    for asked in pictures:
        content: bytes | PictureError | None = None
        if asked.member:
            try:
                content = asked.content()
            except PictureError as error:
                content = error
        yield _Read(asked, content)


def _kept(content: bytes) -> IO[bytes]:
    """In memory while it is small: a hundred pictures may wait."""
    file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # closed when it is placed
    file.write(content)
    return file


def _answered(bundle: Bundle, prepared: list[_Prepared]) -> list[Answer]:
    pixels = [one.pixels for one in prepared if not isinstance(one.pixels, PictureError)]
    predictions = iter(bundle.predict_prepared(np.stack(pixels)) if pixels else [])
    return [
        Answer(one.asked, one.pixels if isinstance(one.pixels, PictureError) else next(predictions), one.kept)
        for one in prepared
    ]
