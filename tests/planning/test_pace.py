"""A run whose steps collapse goes on with fewer threads, says so, and is reported on as any other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from painted import paint_folder

import lensmith as lm
from lensmith.planning.changes import Change
from lensmith.planning.pace import Pace
from lensmith.runs.files import read_json_lines


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def changes(pace: Pace, seconds: float, first: int, count: int = 6) -> list[Change]:
    asked = []
    for index in range(first, first + count):
        time.sleep(seconds)
        asked += pace.step(index)
    return asked


def test_steps_that_become_many_times_slower_are_noticed(two_threads: None) -> None:
    pace = Pace()
    assert changes(pace, 0.005, 1) == []
    (change,) = changes(pace, 0.1, 7)
    assert (change.field, change.value) == ("threads", 1)
    assert "going on with 1 of 2 threads" in change.words
    torch.set_num_threads(1)
    assert changes(pace, 0.1, 13) == [], "with one thread there is nothing left to give up"


def test_larger_pictures_are_no_collapse(two_threads: None) -> None:
    pace = Pace(lambda index: 0.25 if index < 7 else 1.0)
    assert changes(pace, 0.01, 1) + changes(pace, 0.05, 7) == []


def test_one_stall_is_no_collapse(two_threads: None) -> None:
    pace = Pace()
    asked = changes(pace, 0.005, 1) + changes(pace, 0.2, 7, count=1) + changes(pace, 0.005, 8)
    assert asked == []


def test_the_run_says_it_and_its_report_stands(
    two_threads: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    paint_folder(tmp_path / "photos", ant=30, bee=30)
    seen = 0

    def slower(progress: float) -> float:
        nonlocal seen
        seen += 1
        time.sleep(0.001 if seen < 12 else 0.4)
        return 1.0

    run = lm.train("photos", image_size=16, batch_size=8, epochs=4, schedule=slower, precision="float32")
    assert "going on with 1 of 2 threads" in capsys.readouterr().err
    notes = [line for line in read_json_lines(run.path / "metrics.jsonl") if "note" in line]
    assert len(notes) == 1
    assert "epoch 4" in (run.path / "report.html").read_text(encoding="utf-8")
    assert "threads=1" in str(run.directory.recipe().changes)
    assert torch.get_num_threads() == 2, "whoever called train keeps the threads that were theirs"
