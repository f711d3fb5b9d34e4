"""Faults 23 to 28: trainings that are killed, whose disk fills up, whose checkpoints are damaged or another's."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import COMMAND, Ask, command, environment, tree
from painted import paint_folder
from preloaded import before, preloaded

import lensmith as lm
from lensmith.runs.files import sha256_of
from lensmith.runs.recipe_words import parse_words

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a library stands before the system's own")

TRAIN = ("train", "photos", "model=convnet", "epochs=6", "image_size=16", "batch_size=8", "threads=1")
SAVING = ("checkpoint_every=0.001s", "average=0.9", "mixup=0.2")
KILLED = 60
"""The call of saving at which the run is killed that the tests go on with: in the fourth checkpoint."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preloaded(tmp_path_factory.mktemp("library"))


def faulty(library: Path, under: str, at: int, error: int) -> dict[str, str]:
    """Variables with which the call number `at` that changes what lies in folders of that name fails, and all
    later ones; without an error, the process is killed there."""
    numbers = {"FAULT_UNDER": under, "FAULT_AT": str(at), "FAULT_ERROR": str(error)}
    return numbers | {"LD_PRELOAD": before(library)}


@pytest.fixture(scope="module")
def shelf(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`photos/`, the run `whole/` that nothing disturbed, and `killed/`, which was killed while saving."""
    place = tmp_path_factory.mktemp("saved")
    paint_folder(place / "photos", ant=16, bee=16)
    with contextlib.chdir(place):
        lm.train("photos", out="whole", quiet=True, **parse_words((*TRAIN[2:], *SAVING)))
    killed = command(
        *TRAIN, *SAVING, "--out", "killed", cwd=place, **faulty(library, "checkpoints", KILLED, 0)
    )
    assert killed.code == -9
    return place


@pytest.fixture
def place(shelf: Path, tmp_path: Path) -> Path:
    """A copy of it, in which `killed/` belongs."""
    shutil.copytree(shelf, tmp_path, dirs_exist_ok=True)
    facts = tmp_path / "killed/facts.json"
    facts.write_text(facts.read_text(encoding="utf-8").replace(str(shelf), str(tmp_path)), encoding="utf-8")
    return tmp_path


def weights(run: Path) -> str:
    return sha256_of(run / "model/weights.safetensors")


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(content)


def checkpoints(run: Path) -> list[Path]:
    """The oldest first."""
    return sorted(path for path in (run / "checkpoints").iterdir() if path.name.isdecimal())


@pytest.mark.fault(24)
def test_killed_while_saving_it_goes_on_to_the_same_weights(place: Path, going: Ask) -> None:
    assert len(checkpoints(place / "killed")) >= 2
    photos = tree(place / "photos")
    done = going("resume", "killed", "--json")
    assert done.code == 0 and done.json["run"].endswith("killed"), done.err
    assert weights(place / "killed") == weights(place / "whole") and tree(place / "photos") == photos
    assert not [path for path in (place / "killed").rglob("*") if path.name.endswith(".part")]


@pytest.mark.slow
@pytest.mark.fault(24)
def test_twenty_kills_spread_over_the_calls_of_saving_lose_nothing(
    library: Path, place: Path, going: Ask
) -> None:
    for at in range(3, 203, 10):  # each checkpoint takes 18 calls and more, so each kind of call is met
        run = place / f"killed-{at}"
        words = (*TRAIN, *SAVING, "--out", run)
        ended = command(*words, cwd=place, **faulty(library, "checkpoints", at, 0))
        assert ended.code == -9, at
        done = going("resume", run)
        assert done.code == 0 and weights(run) == weights(place / "whole"), (at, done.err)


@pytest.mark.slow
@pytest.mark.fault(23)
def test_a_disk_that_fills_up_while_saving_costs_checkpoints_alone(library: Path, place: Path) -> None:
    full = faulty(library, "checkpoints", 30, errno.ENOSPC)
    done = command(*TRAIN, *SAVING, "--out", "full", cwd=place, **full)
    assert done.code == 0 and weights(place / "full") == weights(place / "whole")
    assert "no checkpoint was written (No space left on device); those before it stay" in done.err


@pytest.mark.fault(23)
def test_a_disk_too_full_for_the_model_ends_the_run_which_goes_on_once_there_is_room(
    library: Path, place: Path, going: Ask
) -> None:
    full = faulty(library, "/model", 1, errno.ENOSPC)
    done = command(*TRAIN, *SAVING, "--out", "full", cwd=place, **full)
    done.refused(4, "full/model: cannot be written (No space left on device)", "hint: Free some space")
    assert checkpoints(place / "full") and not (place / "full/report.json").exists()
    done = going("resume", "full")
    assert done.code == 0 and weights(place / "full") == weights(place / "whole"), done.err


@pytest.mark.fault(26)
@pytest.mark.parametrize("how", ["flipped", pytest.param("cut", marks=pytest.mark.slow)])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_taken(how: str, place: Path, going: Ask) -> None:
    newest = checkpoints(place / "killed")[-1]
    file = newest / "weights.safetensors"
    flip(file) if how == "flipped" else os.truncate(file, 1000)
    done = going("resume", "killed")
    assert done.code == 0, done.err
    said = " ".join(done.err.split())
    assert "a checkpoint is passed over" in said and f"{newest.name}/weights.safetensors: damaged" in said
    assert weights(place / "killed") == weights(place / "whole")


@pytest.mark.fault(26)
def test_where_every_checkpoint_is_damaged_each_is_named_and_nothing_is_begun(
    place: Path, going: Ask
) -> None:
    for kept in checkpoints(place / "killed"):
        flip(kept / "state.json")
    left = tree(place / "killed/checkpoints")
    done = going("resume", "killed")
    done.refused(5, *(f"{kept.name}/state.json: damaged" for kept in checkpoints(place / "killed")), "hint:")
    assert tree(place / "killed/checkpoints") == left and not (place / "killed/model").exists()


@pytest.mark.fault(27)
@pytest.mark.parametrize("other", ["configuration", "classes"])
def test_a_checkpoint_of_another_training_is_refused_with_what_differs(
    other: str, place: Path, going: Ask
) -> None:
    if other == "configuration":
        recipe = place / "killed/recipe.toml"
        recipe.write_text(recipe.read_text().replace("mixup = 0.2", "mixup = 0.3"))
        words = ("mixup 0.2 -> 0.3",)
    else:
        (place / "photos/bee").rename(place / "photos/wasp")
        words = ("classes ant, bee -> ant, wasp",)
    left = tree(place / "killed/checkpoints")
    going("resume", "killed").refused(5, "a checkpoint of another training", *words, "hint:")
    assert tree(place / "killed/checkpoints") == left


@pytest.mark.slow
@pytest.mark.fault(28)
def test_with_another_number_of_cores_and_workers_it_goes_on_to_the_same_weights(place: Path) -> None:
    if not shutil.which("taskset"):
        pytest.skip("no taskset")
    done = command("resume", "killed", cwd=place, under=["taskset", "-c", "0"], OMP_NUM_THREADS="3")
    assert done.code == 0 and weights(place / "killed") == weights(place / "whole"), done.err


SLOW = """
import time
from pathlib import Path

from torch import nn

class Slow(nn.Sequential):
    def __init__(self, outputs):
        super().__init__(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, outputs))

    def forward(self, images):
        if self.training and Path("slow").exists() and Path("runs/photos-001").exists():
            Path("begun").touch()
            time.sleep(600)
        return super().forward(images)
"""


@pytest.fixture
def stuck(place: Path) -> Iterator[subprocess.Popen[str]]:
    """`train photos`, which came to its first step and does not come to the end of it."""
    (place / "net.py").write_text(SLOW)
    (place / "slow").touch()
    words = [*COMMAND, "train", "photos", "model=net.py:Slow", *TRAIN[3:]]
    process = subprocess.Popen(words, cwd=place, env=environment(), stderr=subprocess.PIPE, text=True)
    try:
        while not (place / "begun").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


@pytest.mark.fault(25)
def test_a_second_ctrl_c_does_not_wait_for_the_step_that_the_first_one_waits_for(
    stuck: subprocess.Popen[str], place: Path, going: Ask
) -> None:
    stuck.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        stuck.wait(1)
    stuck.send_signal(signal.SIGINT)
    _, said = stuck.communicate(timeout=120)
    assert stuck.returncode == 130 and "interrupted" in said and "Traceback" not in said, said
    assert said.endswith("  to go on: lensmith resume runs/photos-001\n"), said
    (place / "slow").unlink()
    assert going("resume", "last").code == 0


@pytest.mark.fault(29)
def test_a_second_process_is_kept_out_of_a_run_until_the_first_is_gone(
    stuck: subprocess.Popen[str], place: Path, going: Ask
) -> None:
    for words in (("resume", "last"), (*TRAIN, "--out", "runs/photos-001")):
        done = going(*words)
        done.refused(2, "runs/photos-001", f"process {stuck.pid}", socket.gethostname(), "hint:")
    stuck.kill()
    stuck.wait()
    (place / "slow").unlink()
    assert going("resume", "last").code == 0, "what a process that was killed holds, nobody does"
