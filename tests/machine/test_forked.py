"""Work by forked processes: done once, told as it goes, and never the end of who asked."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lensmith.machine import forked
from lensmith.machine.forked import can_fork, in_processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


@pytest.fixture(autouse=True)
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two children wherever this runs; afterwards no child and no open end of a pipe is left."""
    monkeypatch.setattr(forked, "cores", lambda: 2)
    before, others = len(list(Path("/proc/self/fd").iterdir())), children()
    yield
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert children() <= others, "those that other tests left are theirs"


def children() -> set[str]:
    """Processes of this one, those that ended and were not waited for included."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {word for task in tasks for word in task.read_text().split()}


def counted(count: int) -> tuple[np.ndarray, Callable[[range], None]]:
    """How often each piece of work was done, told through shared memory."""
    times = np.frombuffer(mmap.mmap(-1, count), np.uint8)

    def work(part: range) -> None:
        times[part.start : part.stop] += 1

    return times, work


@pytest.mark.parametrize(("count", "chunk"), [(1, 4), (11, 4), (5000, 3)])
def test_every_range_is_worked_on_once(count: int, chunk: int) -> None:
    times, work = counted(count)
    told = list(in_processes(work, count, chunk))
    assert (times == 1).all()
    assert 1 <= len(told) <= -(-count // chunk)


@pytest.mark.fault(31)
@pytest.mark.parametrize("how", ["raises", "is killed", "ends"])
def test_a_child_that_dies_takes_its_part_with_it_and_no_more(
    how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    times, work = counted(2000)

    def dangerous(part: range) -> None:
        if 50 in part and how == "raises":
            raise ValueError("fifty")
        if 50 in part and how == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if 50 in part and how == "ends":
            sys.exit(3)
        work(part)

    list(in_processes(dangerous, 2000, 10))
    assert times.sum() == 1990
    assert (times[50:60] == 0).all()
    assert capfd.readouterr() == ("", "")


def test_all_children_may_die() -> None:
    assert list(in_processes(lambda _: os._exit(1), 1000, 10)) == []


def test_a_child_that_stands_still_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "_STILL", 0.3)
    times, work = counted(1000)

    def slow(part: range) -> None:
        if 50 in part:
            time.sleep(600)
        work(part)

    before = time.monotonic()
    list(in_processes(slow, 1000, 10))
    assert time.monotonic() - before < 60
    assert times.sum() == 990


def test_left_early_it_ends_at_once() -> None:
    def slow(part: range) -> None:
        if part.start:
            time.sleep(600)

    going = in_processes(slow, 1000, 10)
    next(going)
    before = time.monotonic()
    going.close()
    assert time.monotonic() - before < 60


def test_what_goes_wrong_where_it_is_told_ends_the_children() -> None:
    _, work = counted(1000)
    with pytest.raises(KeyboardInterrupt):
        for _ in in_processes(work, 1000, 10):
            raise KeyboardInterrupt


def test_a_system_without_room_for_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", none_left)
    assert list(in_processes(lambda _: None, 1000, 10)) == []


def test_signals_reach_the_parent_as_before() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    list(in_processes(lambda _: None, 10, 1))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


PARENT = """
import sys, time
from pathlib import Path
from lensmith.machine import forked

forked.cores = lambda: 2
for _ in forked.in_processes(lambda part: time.sleep(0.05), 10_000, 1):
    print(flush=True)
"""


def test_no_child_outlives_its_parent(tmp_path: Path) -> None:
    going = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, start_new_session=True)
    assert going.stdout
    going.stdout.readline()
    going.kill()
    going.wait()
    for _ in range(200):
        try:
            os.killpg(going.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("a child is still there")
    going.stdout.close()


def test_where_nothing_is_gained_nothing_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_fork()
    monkeypatch.setattr(forked, "cores", lambda: 1)
    assert not can_fork()
    monkeypatch.setattr(forked, "cores", lambda: 2)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not can_fork()
