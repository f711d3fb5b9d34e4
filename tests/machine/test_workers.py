"""Many pieces of work by threads: all of it, in order, and an end to it when nobody waits any more."""

from __future__ import annotations

import threading
import time

import pytest

from lensmith.machine.limits import cores
from lensmith.machine.workers import in_parallel


@pytest.mark.parametrize(("count", "chunk"), [(0, 4), (1, 4), (8, 4), (11, 4), (100, 1)])
def test_every_range_is_worked_on_once_and_told_in_order(count: int, chunk: int) -> None:
    found: list[int] = []
    told = list(in_parallel(lambda part, _: found.extend(part), count, chunk))
    assert sorted(found) == list(range(count))
    assert told == [*range(chunk, count, chunk), count][: len(told)]
    assert (told or [0])[-1] == count


def test_what_goes_wrong_is_raised() -> None:
    def work(part: range, _: threading.Event) -> None:
        if 3 in part:
            raise ValueError("three")

    with pytest.raises(ValueError, match="three"):
        list(in_parallel(work, 8, 2))


def test_left_early_it_ends_early() -> None:
    begun = []

    def work(part: range, left: threading.Event) -> None:
        begun.append(part)
        if part.start:
            assert left.wait(60)

    going = in_parallel(work, 1000, 1)
    assert next(going) == 1
    before = time.monotonic()
    going.close()
    assert time.monotonic() - before < 30
    assert len(begun) <= 1 + cores()
