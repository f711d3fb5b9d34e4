"""Any number of pictures through a bundle: the answers of `Bundle.predict`, in order, and never many in memory."""

from __future__ import annotations

import io
import itertools
import os
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_nets import scene, tied_net

from lensmith.asking.prediction import Answer, predict_each
from lensmith.bundle.bundle import Bundle
from lensmith.errors import PictureError
from lensmith.pictures.asked import Asked
from lensmith.pictures.preprocess import Preprocess


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle(tied_net(), preprocess=Preprocess(64), classes=["a", "b", "c"])


def picture(number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(scene(40 + number % 7, 50, seed=number % 50)).save(file, "PNG")
    return file.getvalue()


PICTURES = [picture(number) for number in range(70)]


def asked(numbers: Iterator[int], member: str = "") -> Iterator[Asked]:
    """A damaged one at every tenth place."""
    for number in numbers:
        content = b"damaged" if number % 10 == 3 else PICTURES[number % 70]
        yield Asked(f"{number}.png", lambda content=content: content, member)


def flat(chunks: Iterator[list[Answer]]) -> list[Answer]:
    return [answer for chunk in chunks for answer in chunk]


@pytest.mark.parametrize("member", ["", "x.png"], ids=["anywhere", "in an archive"])
def test_the_answers_of_predict_in_the_order_asked(member: str, bundle: Bundle) -> None:
    answers = flat(predict_each(bundle, asked(iter(range(250)), member)))
    assert [answer.asked.name for answer in answers] == [f"{number}.png" for number in range(250)]
    for number, answer in enumerate(answers):
        if number % 10 == 3:
            assert isinstance(answer.said, PictureError) and "not a picture" in answer.said.reason
        else:
            alone = bundle.predict(PICTURES[number % 70])
            assert not isinstance(answer.said, PictureError) and answer.said.label == alone.label
            np.testing.assert_allclose(answer.said.probability, alone.probability, atol=1e-5)
    assert flat(predict_each(bundle, iter([]))) == []


def test_a_member_of_an_archive_is_read_before_the_next_is_asked_for(bundle: Bundle) -> None:
    read: list[int] = []

    def members() -> Iterator[Asked]:
        for number in range(100):
            yield Asked(
                f"{number}.png", lambda number=number: read.append(number) or PICTURES[number % 70], "x.png"
            )
            assert read[-1] == number and len(read) == number + 1

    assert len(flat(predict_each(bundle, members()))) == 100


def test_nothing_is_read_far_ahead_and_no_more_once_nobody_asks(bundle: Bundle) -> None:
    taken = itertools.count()
    chunks = predict_each(bundle, (one for one in asked(itertools.count()) if next(taken) >= 0))
    some = len(next(chunks))
    chunks.close()
    assert next(taken) < some + 64 + 2 * bundle.engine.at_once(64, 64) + 10


def test_memory_does_not_grow_with_the_number_of_pictures(bundle: Bundle) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            for _ in predict_each(bundle, asked(iter(range(count)))):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(50)
    assert peak(2000) < 1.5 * peak(500)


def test_a_file_that_states_a_vast_size_is_not_read(bundle: Bundle, tmp_path: Path) -> None:
    vast = tmp_path / "vast.jpg"
    with vast.open("wb") as file:
        file.truncate(1 << 40)
    (answer,) = flat(predict_each(bundle, iter([Asked("vast.jpg", vast)])))
    assert isinstance(answer.said, PictureError) and "more than any picture" in answer.said.reason


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_pipe_is_read_once_and_its_bytes_are_kept(bundle: Bundle, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(PICTURES[0],))
    writer.start()
    (answer,) = flat(predict_each(bundle, iter([Asked(str(pipe), pipe)]), keep=True))
    writer.join()
    assert answer.kept is not None and not isinstance(answer.said, PictureError)
    with answer.kept as file:
        file.seek(0)
        assert file.read() == PICTURES[0]


def test_bytes_are_kept_where_there_is_no_file(bundle: Bundle) -> None:
    large = PICTURES[0] + bytes(2 << 20)
    sources = [PICTURES[1], large, b"damaged"]
    answers = flat(
        predict_each(bundle, (Asked(str(n), lambda c=c: c) for n, c in enumerate(sources)), keep=True)
    )
    kept = [answer.kept for answer in answers]
    assert kept[2] is None
    for file, content in zip(kept[:2], sources, strict=False):
        assert file is not None
        with file:
            file.seek(0)
            assert file.read() == content
    assert all(answer.kept is None for answer in flat(predict_each(bundle, asked(iter(range(5))))))
