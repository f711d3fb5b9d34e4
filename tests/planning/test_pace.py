"""A run whose steps collapse goes on with fewer threads, says so, and is reported on as any other."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from painted import paint_folder

import lensmith as lm
from lensmith.planning.changes import Change, usual_work
from lensmith.planning.pace import Pace
from lensmith.runs.files import read_json_lines


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Run:
    """Steps of a run on a clock of its own: a busy machine makes none of them longer."""

    def __init__(self, work: Callable[[int], float] = usual_work) -> None:
        self.now, self.index = 0.0, 0
        self.pace = Pace(work, clock=lambda: self.now)

    def steps(self, seconds: float, count: int = 6) -> list[Change]:
        """What is asked for while `count` steps take so long each."""
        asked = []
        for _ in range(count):
            self.now, self.index = self.now + seconds, self.index + 1
            for change in self.pace.step(self.index):
                torch.set_num_threads(int(change.value))
                asked.append(change)
        return asked


def test_steps_that_become_many_times_slower_are_noticed(two_threads: None) -> None:
    run = Run()
    assert run.steps(0.005) == []
    (change,) = run.steps(0.1)
    assert (change.field, change.value) == ("threads", 1)
    assert "going on with 1 of 2 threads" in change.words
    assert run.steps(0.1) == [], "with one thread there is nothing left to give up"


def with_a_neighbour(run: Run, until: float, steps: int) -> list[tuple[float, float]]:
    """(when, threads) of each change, where a neighbour has a core until then: a step takes a second with two
    threads, and a fifth of that with one; later a tenth."""
    found = []
    for _ in range(steps):
        both = torch.get_num_threads() == 2
        seconds = 0.2 if not both else 1.0 if run.now < until else 0.1
        found += [(run.now, change.value) for change in run.steps(seconds, count=1)]
    return found


def test_all_threads_are_tried_again_and_kept_where_the_neighbour_has_gone(two_threads: None) -> None:
    run = Run()
    run.steps(0.1)
    assert [value for _, value in with_a_neighbour(run, until=12, steps=300)] == [1, 2]


def test_a_neighbour_that_stays_is_asked_less_and_less_often(two_threads: None) -> None:
    run = Run()
    run.steps(0.1)
    tries = [when for when, value in with_a_neighbour(run, until=1e9, steps=2000) if value == 2]
    waits = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert len(tries) == 4
    assert all(later > 1.8 * earlier for earlier, later in itertools.pairwise(waits))


def test_larger_pictures_are_no_collapse(two_threads: None) -> None:
    run = Run(lambda index: 0.25 if index < 7 else 1.0)
    assert run.steps(0.01) + run.steps(0.05) == []


def test_one_stall_is_no_collapse(two_threads: None) -> None:
    run = Run()
    assert run.steps(0.005) + run.steps(0.2, count=1) + run.steps(0.005) == []


def test_the_run_says_it_and_its_report_stands(
    two_threads: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    paint_folder(tmp_path / "photos", ant=30, bee=30)
    called: list[float] = []

    def slower(progress: float) -> float:
        """Steps become many times as long as they are on this machine now."""
        called.append(time.perf_counter())
        if 12 <= len(called) < 20:
            time.sleep(max(0.05, 10 * statistics.median(np.diff(called[:12]))))
        return 1.0

    run = lm.train("photos", image_size=16, batch_size=8, epochs=4, schedule=slower, precision="float32")
    assert "going on with 1 of 2 threads" in capsys.readouterr().err
    notes = [line for line in read_json_lines(run.path / "metrics.jsonl") if "note" in line]
    assert len(notes) == 1
    assert "epoch 4" in (run.path / "report.html").read_text(encoding="utf-8")
    assert "threads=1" in str(run.directory.recipe().changes)
    assert torch.get_num_threads() == 2, "whoever called train keeps the threads that were theirs"
