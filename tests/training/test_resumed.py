"""A training that was interrupted goes on, and ends with the weights of one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from painted import paint_folder
from small_nets import tied_net

import lensmith as lm
from lensmith.errors import ModelFileError, UsageError
from lensmith.runs.checkpoints import read_checkpoint, remove_checkpoints, write_checkpoint
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import read_json_lines, sha256_of
from lensmith.runs.recipe import Recipe
from lensmith.training.job import run_job
from lensmith.training.parts import take_parts

NET = """
import random

from torch import nn

class Net(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        front = [nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
        self.layers = nn.Sequential(*front, nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, outputs))

    def forward(self, x):
        return self.layers(x * (0.9 + 0.2 * random.random() if self.training else 1.0))
"""
WAYS: dict[str, dict[str, Any]] = {
    "ours, averaged, mixed": {"model": "convnet", "average": 0.99, "mixup": 0.2, "small_first": 0.5},
    "own network": {"model": "net.py:Net", "schedule": "plateau", "optimizer": "adamw", "accumulate": 2},
    "early stopping": {"model": "tutorial_net", "test_fraction": 0.2, "patience": 1, "cutmix": 1.0},
    "folds": {"model": "tutorial_net", "folds": 2, "store": False},
}
COMMON: dict[str, Any] = {
    "image_size": 32, "epochs": 4, "batch_size": 8, "threads": 1, "device": "cpu", "precision": "float32",
    "checkpoint_every": "0.001s",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    paint_folder(tmp_path / "set", ant=20, bee=20)
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def weights(run: Path) -> str:
    return sha256_of(run / "model/weights.safetensors")


def leave(job: Any, words: str) -> None:
    """Go through a job up to the first event with these words, and leave it there."""
    for event in job:
        if words in event.words:
            job.close()
            return
    raise AssertionError(f"no event says {words}")


@pytest.mark.parametrize("way", WAYS)
def test_a_training_that_was_left_ends_as_if_it_had_not_been(place: Path, way: str) -> None:
    recipe = Recipe().changed(**COMMON, **WAYS[way])
    whole = lm.train("set", recipe=recipe, out="whole", quiet=True)
    leave(run_job("set", recipe, out=Path("left")), "fold 2" if way == "folds" else "epoch 2/4")
    if way == "folds":
        kept = max((place / "left/folds/1/checkpoints").glob("*[0-9]"))
        assert "ended" in json.loads((kept / "state.json").read_text())
    assert list((place / "left/checkpoints").glob("*[0-9]"))
    run = lm.resume("left", quiet=True)
    assert weights(run.path) == weights(whole.path)
    assert run.report.values == whole.report.values
    # Nothing is told twice, and what served to go on has gone.
    told = [line for line in read_json_lines(run.directory.metrics_file) if "index" in line]
    assert [line["index"] for line in told] == list(range(1, len(told) + 1))
    assert not list(run.path.glob("**/checkpoints"))
    facts = run.directory.facts()
    assert len(facts["resumed"]) == 1 and facts["choices"] == whole.directory.facts()["choices"]


def started(place: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lensmith", *words], cwd=place, stderr=subprocess.PIPE, text=True
    )


def with_checkpoint(place: Path, run: str, process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    while not list((place / run / "checkpoints").glob("*[0-9]/manifest.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process


def words_of(recipe: dict[str, Any]) -> list[str]:
    return [f"{name}={str(value).lower() if value is not None else 'auto'}" for name, value in recipe.items()]


@pytest.mark.fault(24)
def test_a_killed_run_is_resumed_to_equal_weights(place: Path) -> None:
    words = words_of(COMMON | {"epochs": 40, "model": "tutorial_net", "test_fraction": 0.2})
    run = with_checkpoint(place, "run", started(place, "train", "set", *words, "--out", "run"))
    run.kill()
    run.communicate()
    assert not (place / "run/model").exists()
    done = subprocess.run(
        [sys.executable, "-m", "lensmith", "resume", str(place / "run"), "--json"],
        cwd="/",  # its own folder is written down
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"] == str(place / "run")
    recipe = place / "run/recipe.toml"
    again = lm.train("set", recipe=recipe, out="again", quiet=True)
    assert weights(place / "run") == weights(again.path)


@pytest.mark.fault(25)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_waits_for_the_step_and_is_saved(place: Path, number: signal.Signals, code: int) -> None:
    words = words_of(COMMON | {"epochs": 4000, "model": "tutorial_net", "checkpoint_every": "10m"})
    run = started(place, "train", "set", *words, "--out", "run")
    while not (place / "run/metrics.jsonl").exists():
        assert run.poll() is None, run.communicate()
        time.sleep(0.01)
    run.send_signal(number)
    _, said = run.communicate()
    assert run.returncode == code, said
    assert "to go on: lensmith resume run" in said and "Traceback" not in said
    (kept,) = (place / "run/checkpoints").iterdir()
    step = json.loads((kept / "state.json").read_text())["step"]
    assert int(kept.name) == step >= 4


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_what_nohup_ignores_stays_ignored(place: Path) -> None:
    words = words_of(COMMON | {"epochs": 30, "model": "tutorial_net"})
    line = [sys.executable, "-m", "lensmith", "train", "set", *words, "--out", "run"]
    run = subprocess.Popen(
        line,
        cwd=place,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    while not (place / "run/checkpoints").exists():
        assert run.poll() is None
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGHUP)
    assert run.wait() == 0
    assert (place / "run/report.html").exists()


def left(place: Path, **more: Any) -> RunDirectory:
    """`run`, left in the middle, with two checkpoints."""
    recipe = Recipe().changed(**COMMON | {"model": "tutorial_net", "epochs": 400} | more)
    run = RunDirectory(place / "run")
    job = run_job("set", recipe, out=run.path)
    while len(list(run.checkpoints.glob("*[0-9]/manifest.json"))) < 2:
        next(job)
    job.close()
    return run


@pytest.mark.fault(26)
def test_what_is_damaged_is_passed_over_and_named(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = left(place)
    older, newer = sorted(run.checkpoints.glob("*[0-9]"))
    content = bytearray((newer / "weights.safetensors").read_bytes())
    content[-9] ^= 4
    (newer / "weights.safetensors").write_bytes(content)
    lm.resume(run.path)
    said = capfd.readouterr().err
    assert f"{newer / 'weights.safetensors'}: damaged" in said
    assert f"from step {int(older.name)}," in said


def test_no_checkpoint_that_verifies_is_an_error_that_says_what_to_do(place: Path) -> None:
    run = left(place)
    for kept in run.checkpoints.iterdir():
        (kept / "state.json").write_bytes((kept / "state.json").read_bytes()[:-5])
    with pytest.raises(ModelFileError, match=r"no checkpoint can be used: .*state.json: damaged") as error:
        lm.resume(run.path, quiet=True)
    assert str(run.checkpoints) in error.value.hint


@pytest.mark.fault(27)
def test_a_run_does_not_go_on_as_another_one(place: Path) -> None:
    run = left(place)
    kept = run.recipe_file.read_text()
    run.recipe_file.write_text(kept.replace("label_smoothing = 0.1", "label_smoothing = 0.2"))
    with pytest.raises(ModelFileError, match=r"another training: label_smoothing 0.1 -> 0.2"):
        lm.resume(run.path, quiet=True)
    run.recipe_file.write_text(kept)
    next((place / "set/ant").iterdir()).unlink()
    with pytest.raises(ModelFileError, match="another training: training pictures"):
        lm.resume(run.path, quiet=True)


def test_another_torch_is_told(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = left(place)
    found = read_checkpoint(run.checkpoints)
    assert found is not None
    state = json.loads(found.files["state.json"]) | {"torch": "2.11.0"}
    remove_checkpoints(run.checkpoints)
    write_checkpoint(run.checkpoints, found.step, {**found.files, "state.json": json.dumps(state).encode()})
    lm.resume(run.path)
    assert "trained by torch 2.11.0, and goes on by" in capfd.readouterr().err


def test_objects_that_were_given_have_to_be_given_again(place: Path) -> None:
    recipe = {**COMMON, "image_size": 16, "epochs": 4}
    data = lm.load_data("set")
    whole = lm.train(data, model=tied_net(2), out="whole", quiet=True, **recipe)
    wanted, parts = take_parts(Recipe(), {**recipe, "model": tied_net(2)})
    leave(run_job(data, wanted, parts=parts, out=Path("run")), "epoch 2/4")
    with pytest.raises(UsageError, match="given in Python, as a ImageDataset") as error:
        lm.resume("run")
    assert "lm.resume(run, data" in error.value.hint
    with pytest.raises(UsageError, match="model was given in Python"):
        lm.resume("run", data)
    run = lm.resume("run", data, model=tied_net(2), quiet=True)
    assert weights(run.path) == weights(whole.path)


def test_a_finished_run_is_left_alone(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = lm.train("set", out="run", quiet=True, **COMMON | {"model": "tutorial_net", "epochs": 1})
    before = weights(run.path)
    looks = (place / "looks.jsonl").read_text()
    assert lm.resume("run").path == place / "run"
    assert "is finished" in capfd.readouterr().err
    assert weights(run.path) == before and (place / "looks.jsonl").read_text() == looks
