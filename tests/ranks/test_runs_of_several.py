"""A run of several processes: one of them talks, none is missed when it is killed, and all count alike."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from command_line import command
from several_runs import HERE, WORDS, is_at, started, weights
from torchrun import torchrun, wait_until, workers

import lensmith as lm
from lensmith.errors import UsageError
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import read_json, read_json_lines

WRONG = """import os
from torch import nn


class Net(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.net = nn.Linear(3, outputs)

    def forward(self, images):
        if self.training and os.environ["RANK"] == "1":
            raise KeyError("nothing")
        return self.net(images.mean((2, 3)))
"""


def test_one_process_talks_and_writes(place: Path, undisturbed: str) -> None:
    run, said = RunDirectory(place / "run"), (place / "said.txt").read_text(encoding="utf-8")
    for words in (
        "201 pictures of 2 classes",
        "net.py:Net; pictures at",
        "epoch 5/5",
        "101 held-out pictures",
    ):
        assert said.count(words) == 1, said
    told = json.loads((place / "data.txt").read_text(encoding="utf-8"))
    assert told["report"]["count"] == 101
    assert run.recipe().processes == 2
    rows = read_json_lines(run.metrics_file)
    assert [row["index"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0]["steps"] == 5
    assert len(list(run.tensorboard.glob("events*"))) == 1
    assert len(run.looks_file.read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.fault(30)
def test_a_killed_worker_is_replaced_and_the_weights_are_the_same(here: Path, undisturbed: str) -> None:
    process = started(here, *HERE, "--max-restarts=1")
    wait_until(lambda: is_at(here, 7), process)
    os.kill(workers(process.pid)[1], signal.SIGKILL)
    _, said = process.communicate(timeout=900)
    assert process.returncode == 0, said
    assert weights(here) == undisturbed
    assert said.count("run, begun before these processes were started again") == 1
    assert len(RunDirectory(here / "run").facts()["resumed"]) == 1


@pytest.mark.fault(30)
@pytest.mark.slow
def test_the_first_may_be_killed_as_well_and_again(here: Path, undisturbed: str) -> None:
    process = started(here, *HERE, "--max-restarts=3")
    for step in (3, 9, 16):
        wait_until(lambda step=step: is_at(here, step), process)  # type: ignore[misc]
        victim = workers(process.pid)[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda victim=victim: workers(process.pid).get(0, victim) != victim, process)  # type: ignore[misc]
    _, said = process.communicate(timeout=900)
    assert process.returncode == 0, said
    assert weights(here) == undisturbed


@pytest.mark.fault(25, 28)
@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_torchrun_told_to_end_leaves_a_checkpoint_to_go_on_from(
    here: Path, undisturbed: str, name: str
) -> None:
    process = started(here, *HERE, "--max-restarts=3")
    wait_until(lambda: is_at(here, 7), process)
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=900)
    assert process.returncode != 0
    assert said.count("to go on: lensmith resume") == 1, said
    assert not RunDirectory(here / "run").report_file.exists()
    shutil.copytree(here / "run", here / "three")
    done = command("resume", "run", cwd=here)  # starts its two processes itself
    assert done.code == 0, done.err
    assert weights(here) == undisturbed
    other = torchrun(3, "-m", "lensmith", "resume", "three", cwd=here)
    assert other.returncode == 0, other.stderr
    assert other.stderr.count("it was trained by 2 process(es), and goes on by 3") == 1


@pytest.mark.parametrize("count", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 4))])
def test_measuring_in_shares_is_measuring(place: Path, undisturbed: str, tmp_path: Path, count: int) -> None:
    words = ("evaluate", "run", "set", "--split", "test", "--json", "--out")
    # Two threads make batches that are small enough for each process to get some.
    alone = command(*words, tmp_path / "alone", cwd=place, OMP_NUM_THREADS="2")
    shared = torchrun(count, "-m", "lensmith", *words, tmp_path / "shared", cwd=place, OMP_NUM_THREADS="2")
    assert shared.returncode == 0, shared.stderr
    one, other = (np.load(tmp_path / name / "predictions.npz") for name in ("alone", "shared"))
    assert len(one["logits"]) == 101
    for name in one.files:
        assert one[name].tobytes() == other[name].tobytes()
    assert read_json(tmp_path / "alone/report.json") == read_json(tmp_path / "shared/report.json")
    reports = [alone.json, json.loads(shared.stdout)]
    for report in reports:
        report.pop("speed")
    assert reports[0] == reports[1]


@pytest.mark.slow
def test_what_goes_wrong_in_one_process_is_told_once_with_its_place(here: Path) -> None:
    (here / "wrong.py").write_text(WRONG, encoding="utf-8")
    words = [word.replace("net.py", "wrong.py") for word in WORDS]
    done = torchrun(2, *words, cwd=here)
    assert done.returncode != 0
    assert done.stderr.count("error: ") == 1, done.stderr
    assert "process 2 of 2" in done.stderr
    assert "wrong.py:12: KeyError" in done.stderr
    shorthand = command(*words[2:], "processes=2", "--out", "short", cwd=here)
    shorthand.refused(70, "process 2 of 2", "wrong.py:12: KeyError")


@pytest.mark.slow
def test_python_starts_processes_too(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    run = lm.train("set", model="net.py:Net", image_size=112, epochs=1, batch_size=9, processes=2, quiet=True)
    assert run.report.count == 101
    assert run.directory.recipe().processes == 2
    with pytest.raises(UsageError, match="has no Nothing"):
        lm.train("set", model="net.py:Nothing", processes=2, quiet=True)


def test_an_object_in_memory_is_handed_to_no_other_process(place: Path) -> None:
    data = lm.load_data(place / "set")
    with pytest.raises(UsageError, match="data, a ImageDataset cannot be handed") as caught:
        lm.train(data, processes=2, quiet=True)
    assert "torchrun" in caught.value.hint


def test_two_numbers_of_processes_are_refused(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="processes=3, and torchrun has started 2"):
        lm.train(str(place / "set"), processes=3, quiet=True)
