"""What a run writes down of its way while its events go by, and how it is asked to end from elsewhere."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from lensmith.errors import DataError, UsageError
from lensmith.runs import progress as room
from lensmith.runs.directory import RunDirectory
from lensmith.runs.progress import read_progress, recorded
from lensmith.types import Event, Reached


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


def steps(count: int, stop: BaseException | None = None) -> Generator[Event, None, str]:
    yield Event("data", "pictures")
    for step in range(1, count + 1):
        yield Event("train", "steps", step, count, Reached(1 + step // 5, 4, step, count))
    yield Event("warning", "no stage of its own")
    if stop is not None:
        raise stop
    return "done"


def through(run: RunDirectory, job: Generator[Event, None, Any]) -> Iterator[dict[str, Any]]:
    """What stands in the file after each event."""
    for _ in recorded(run, job):
        yield read_progress(run)


def test_how_far_it_is_and_how_it_ended(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_EVERY", 0.0)
    told = list(through(run, steps(8)))
    assert [one["stage"] for one in told] == ["data", *["train"] * 9]
    assert [one["step"] for one in told] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert [one["epoch"] for one in told][1:9:4] == [1, 2] and told[-1]["steps"] == 8
    assert told[1]["left"] is None and told[4]["left"] >= 0.0
    assert {one["ended"] for one in told} == {None}
    end = read_progress(run)
    assert (end["ended"], end["code"], end["step"], end["left"]) == ("finished", 0, 8, None)
    assert [path.name for path in run.path.iterdir()] == ["progress.json"]


def test_it_is_written_seldom(run: RunDirectory) -> None:
    told = list(through(run, steps(500)))
    assert [one["step"] for one in told] == [0, *[1] * 501], "the first of a new stage, and then one a second"
    assert read_progress(run)["step"] == 500


@pytest.mark.parametrize(
    ("stop", "ended", "code", "error"),
    [
        (DataError("no pictures"), "failed", 3, "no pictures"),
        (KeyboardInterrupt(), "interrupted", 130, ""),
        (ValueError("odd"), "failed", 70, "ValueError: odd"),
        (OSError(errno.ENOSPC, "No space left"), "failed", 4, "OSError: [Errno 28] No space left"),
        (MemoryError(), "failed", 70, "MemoryError"),
    ],
)
def test_what_ended_it(stop: BaseException, ended: str, code: int, error: str, run: RunDirectory) -> None:
    with pytest.raises(type(stop)):
        list(through(run, steps(2, stop)))
    told = read_progress(run)
    assert (told["ended"], told["code"], told["step"]) == (ended, code, 2)
    assert told["error"].startswith(error) and bool(told["error"]) == bool(error)


def test_an_error_that_a_full_disk_caused_has_the_code_of_one(run: RunDirectory) -> None:
    error = UsageError("x.bin: cannot be written")
    error.__cause__ = OSError(errno.ENOSPC, "No space left")
    with pytest.raises(UsageError):
        list(through(run, steps(1, error)))
    assert read_progress(run)["code"] == 4


def test_whoever_leaves_it_interrupts_it(run: RunDirectory) -> None:
    job = recorded(run, steps(8))
    next(job)
    job.close()
    assert read_progress(run)["ended"] == "interrupted"


def test_time_adds_up_over_the_processes_of_a_run(run: RunDirectory) -> None:
    run.progress_file.write_text('{"seconds": 1000.0, "ended": "interrupted"}')
    first = next(through(run, steps(2)))
    assert 1000.0 <= first["seconds"] < 1100.0 and first["ended"] is None


@pytest.mark.parametrize("content", ["", "[]", '{"seconds": "long"}', "\x00"])
def test_a_damaged_file_is_written_anew(content: str, run: RunDirectory) -> None:
    run.progress_file.write_text(content)
    list(through(run, steps(2)))
    assert read_progress(run)["ended"] == "finished"


def test_a_file_that_cannot_be_written_ends_nothing(run: RunDirectory) -> None:
    run.progress_file.mkdir()
    assert len(list(through(run, steps(3)))) == 5
    assert [path.name for path in run.path.iterdir()] == ["progress.json"]


def test_a_request_to_stop_does_what_sigterm_does(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_EVERY", 0.0)
    saved: list[int] = []

    def job() -> Generator[Event, None, None]:
        for step in range(10):
            try:
                yield Event("train", "steps", step, 10)
            except TimeoutError:
                saved.append(step)
                raise

    def handler(*_: Any) -> None:
        raise TimeoutError

    run.stop_file.write_text("for the process before")
    before = signal.signal(signal.SIGTERM, handler)
    try:
        with pytest.raises(TimeoutError):
            for event in recorded(run, job()):
                if event.done == 3:
                    run.stop_file.write_text("now")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert saved == [4], "it reaches the job itself, which may save"
    assert not run.stop_file.exists()


def test_a_request_to_stop_where_nothing_is_done_about_sigterm(run: RunDirectory) -> None:
    """As in a notebook, whose process is not to die; and in a thread, which no signal reaches."""

    def begin(found: list[str]) -> None:
        try:
            for _ in recorded(run, (Event(f"stage {n}", "") for n in range(9))):  # type: ignore[arg-type]
                run.stop_file.write_text("now")
        except KeyboardInterrupt:
            found.append("interrupted")

    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        found: list[str] = []
        begin(found)
        thread = threading.Thread(target=begin, args=(found,))
        thread.start()
        thread.join()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert found == ["interrupted", "interrupted"]
    assert read_progress(run)["code"] == 130
