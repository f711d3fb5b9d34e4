"""Where a run stands, from the files that a process, a crash, a kill or an older version left there."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lensmith.errors import ModelFileError
from lensmith.runs.directory import RunDirectory
from lensmith.runs.holder import this_process
from lensmith.runs.lock import hold
from lensmith.runs.standing import find_standing, read_standing


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "a run")
    run.path.mkdir()
    run.recipe_file.write_text("")
    return run


def progress(run: RunDirectory, **fields: Any) -> None:
    run.progress_file.write_text(json.dumps({"stage": "train", "step": 7, "steps": 100} | fields))


def left_lock(run: RunDirectory, **changes: Any) -> None:
    run.lock_file.write_text(json.dumps(dataclasses.replace(this_process(), **changes).as_dict()))


def checkpoint(run: RunDirectory, name: str, state: str) -> None:
    (run.checkpoints / name).mkdir(parents=True)
    (run.checkpoints / name / "state.json").write_text(state)


def test_it_runs_while_its_process_is_there(run: RunDirectory) -> None:
    with hold(run.path):
        assert read_standing(run).state == "running", "before it has written anything"
        progress(run, ended="interrupted")  # of the process before
        found = read_standing(run)
        assert (found.state, found.exit_code, found.resumes_from) == ("running", None, None)
        assert found.alive and found.holder is not None and found.holder.is_this_process()


def test_of_another_machine_it_runs_as_far_as_can_be_told(run: RunDirectory) -> None:
    left_lock(run, host="node7", pid=1)
    found = read_standing(run)
    assert (found.state, found.alive) == ("running", None)
    assert found.as_dict()["holder"]["host"] == "node7"


@pytest.mark.parametrize(
    ("ended", "code", "state"),
    [
        ("finished", 0, "finished"),
        ("interrupted", 130, "interrupted"),
        ("terminated", 143, "interrupted"),
        ("hung up", 129, "interrupted"),
        ("failed", 3, "crashed"),
        (None, None, "killed"),
        ("odd", None, "killed"),
    ],
)
@pytest.mark.parametrize("lock", ["", "stale"])
def test_how_it_ended(ended: str, code: int, state: str, lock: str, run: RunDirectory) -> None:
    progress(run, ended=ended, code=code)
    if lock:
        left_lock(run, boot="another")
    found = read_standing(run)
    assert found.state == state
    assert found.exit_code == (137 if state == "killed" else code)


def test_runs_that_wrote_no_progress(run: RunDirectory) -> None:
    assert read_standing(run).state == "killed"
    run.crash_file.write_text("Traceback")
    found = read_standing(run)
    assert (found.state, found.exit_code) == ("crashed", 70)
    run.model.mkdir()
    (run.model / "bundle.json").write_text("{}")
    run.report_file.write_text("{}")
    found = read_standing(run)
    assert (found.state, found.exit_code) == ("finished", 0)


def test_from_where_it_would_go_on(run: RunDirectory) -> None:
    progress(run, ended="interrupted", code=130)
    assert read_standing(run).resumes_from is None, "it wrote nothing of how it began"
    run.facts_file.write_text('{"folder": null}')
    assert read_standing(run).resumes_from is None, "its pictures were given in Python"
    run.facts_file.write_text('{"folder": "/data"}')
    assert read_standing(run).resumes_from == 0
    checkpoint(run, "00000020", '{"step": 20, "epoch": 2}')
    checkpoint(run, "00000120", '{"step": 120, "epoch": 9}')
    checkpoint(run, "00000200", '{"step')
    checkpoint(run, ".00000300.part", '{"step": 300}')
    checkpoint(run, "mine", "{}")
    (run.checkpoints / "00000400").mkdir()
    found = read_standing(run)
    assert found.resumes_from == 120 and found.checkpoint is not None and found.checkpoint["epoch"] == 9
    progress(run, ended="finished", code=0)
    assert read_standing(run).resumes_from is None


def test_the_newest_figures_and_lines(run: RunDirectory) -> None:
    rows = [{"index": n, "train_loss": 1 / n, "val_accuracy": 0.5} for n in range(1, 3000)]
    text = "\n".join(map(json.dumps, [*rows, {"step": 5, "note": "x"}])) + '\n{"index": 3000, "tr'
    run.metrics_file.write_text(text)
    run.output_file.write_bytes(b"\xff\n" + b"".join(b"line %d\n" % n for n in range(20_000)))
    found = read_standing(run)
    assert found.figures == rows[-1]
    assert found.lines == [f"line {n}" for n in range(19_995, 20_000)]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"ended": [], "step": {}}', "\x00\xff"])
def test_damaged_files(content: str, run: RunDirectory) -> None:
    for file in (run.progress_file, run.metrics_file, run.facts_file):
        file.write_text(content)
    found = read_standing(run)
    assert found.state == "killed" and found.figures == {}
    json.dumps(found.as_dict())


def test_what_is_no_run(tmp_path: Path) -> None:
    for word in ("nowhere", tmp_path):
        with pytest.raises(ModelFileError):
            find_standing(word)


ASK = """
import sys
from lensmith.cli.main import run

code = run(["status", sys.argv[1]])
print(*[name for name in ("torch", "numpy", "PIL", "typer.testing") if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""


def test_it_needs_no_torch(run: RunDirectory) -> None:
    progress(run, ended="finished", code=0)
    words = [sys.executable, "-c", ASK, str(run.path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == "\n" and "finished" in done.stdout
