"""Work ahead: the order, how far, errors in their turn, and nobody left behind."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from lensmith.machine.ahead import worked_ahead


def test_results_come_in_order_whoever_is_first() -> None:
    def slower_at_first(number: int) -> int:
        time.sleep(0.002 * (number % 5 == 0))
        return -number

    done = list(worked_ahead(iter(range(200)), slower_at_first, ahead=7, threads=4))
    assert done == [-number for number in range(200)]
    assert list(worked_ahead(iter([]), slower_at_first, ahead=1, threads=3)) == []


def test_several_work_at_once() -> None:
    meeting = threading.Barrier(3, timeout=20)
    assert len(list(worked_ahead(iter(range(3)), lambda _: meeting.wait(), ahead=3, threads=3))) == 3


def test_an_endless_source_is_taken_only_as_far_as_it_may_be() -> None:
    taken = []
    source = (taken.append(number) or number for number in itertools.count())
    line = worked_ahead(source, lambda number: number, ahead=5, threads=3)
    assert [next(line) for _ in range(10)] == list(range(10))
    line.close()
    assert len(taken) <= 10 + 5
    time.sleep(0.05)
    assert len(taken) <= 10 + 5


def test_the_source_is_advanced_by_one_at_a_time() -> None:
    inside = threading.Lock()

    def source() -> Iterator[int]:
        for number in range(300):
            assert inside.acquire(blocking=False)
            time.sleep(0)
            inside.release()
            yield number

    assert list(worked_ahead(source(), lambda number: number, ahead=9, threads=8)) == list(range(300))


@pytest.mark.parametrize("where", ["source", "work"])
def test_an_error_comes_in_its_turn(where: str) -> None:
    def source() -> Iterator[int]:
        yield from range(5)
        if where == "source":
            raise OSError("the disk is gone")
        yield 5

    def work(number: int) -> int:
        if number == 5:
            raise OSError("the disk is gone")
        return number

    line = worked_ahead(source(), work, ahead=50, threads=3)
    assert [next(line) for _ in range(5)] == list(range(5))
    with pytest.raises(OSError, match="the disk is gone"):
        next(line)


def test_no_thread_stays() -> None:
    before = threading.active_count()
    line = worked_ahead(itertools.count(), lambda number: number, ahead=2, threads=4)
    next(line)
    line.close()
    list(worked_ahead(iter(range(5)), lambda number: number, ahead=2, threads=4))
    assert threading.active_count() == before
