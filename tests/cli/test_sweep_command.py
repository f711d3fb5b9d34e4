"""`lensmith sweep` as a person meets it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import COMMAND, command, environment, python_without
from painted import paint_folder

from lensmith.runs.files import read_json, read_json_lines

WORDS = ("model=convnet", "image_size=16", "threads=1", "lr=0.05..0.5", "batch_size=8|16")
STILL = ("label_smoothing=0", "shift=0", "cutout=0", "colour=0")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sweeps")
    paint_folder(place / "my set", bee=60, cat=60)
    return place


def test_a_dry_run_says_what_would_be_searched_and_writes_nothing(place: Path) -> None:
    done = command(
        "sweep",
        "my set",
        "--dry-run",
        "--budget",
        "1h",
        "--trials",
        "5",
        "epochs=1",
        *WORDS,
        *STILL,
        cwd=place,
    )
    assert done.code == 0, done
    assert done.out.splitlines() == ["lr=0.05..0.5", "batch_size=8|16"]
    assert "5 trials, by accuracy" in done.err and "kept back to confirm the winner" in done.err
    assert "are left" in done.err
    assert sorted(path.name for path in place.iterdir()) == ["my set"]


def test_what_cannot_be_searched_is_refused_in_one_line(place: Path) -> None:
    for word, said in (
        ("lr=1..0", "is no range"),
        ("lrr=0..1", "Did you mean lr?"),
        ("penalty=0.1..1", "would change nothing"),
    ):
        command("sweep", "my set", "model=convnet", "image_size=16", word, cwd=place).refused(2, said)
    command("sweep", "my set", "--storage", "sqlite:////no/such/place/s.db", *WORDS, cwd=place).refused(
        4, "sqlite:////no/such/place/s.db: the storage cannot be used"
    )
    assert not list(place.glob("runs/*"))


def test_without_optuna_the_line_that_installs_it_is_told(place: Path, tmp_path: Path) -> None:
    python, variables = python_without(tmp_path, "optuna")
    done = subprocess.run(
        [*python, "-m", "lensmith", "sweep", "my set"],
        cwd=place,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert 'pip install "lensmith[sweep]"' in done.stderr and "Traceback" not in done.stderr


def started(place: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "sweep", "my set", "--trials", "4", *words],
        cwd=place,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )


def told(process: subprocess.Popen[str], words: str) -> list[str]:
    """What it says up to a line that begins with these words."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.strip().startswith(words):
            return said
    raise AssertionError("".join(said))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_sweep_that_was_killed_goes_on_with_what_it_has(place: Path) -> None:
    fields = (*WORDS, *STILL, "epochs=2")
    killed = started(place, "--out", "killed", *fields)
    told(killed, "trial  1:")
    killed.kill()
    killed.communicate()
    stopped = started(place, "--out", "killed")
    said = "".join(told(stopped, "trial  "))
    stopped.send_signal(signal.SIGTERM)
    said += stopped.communicate()[1]
    assert stopped.returncode == 143, said
    assert "--out killed goes on with it" in said
    done = command("sweep", "my set", "--out", "killed", "--trials", "4", "--json", cwd=place)
    assert done.code == 0, done.err
    found = done.json["sweep"]
    assert [one["state"] for one in found["trials"]].count("complete") + [
        one["state"] for one in found["trials"]
    ].count("pruned") == 4
    assert not re.search(r"trial +1:", done.err)
    assert len(read_json_lines(place / "looks.jsonl")) == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_divide_the_trials_and_end_with_their_parent(place: Path) -> None:
    fields = (*WORDS, *STILL, "epochs=2", "--workers", "2")
    killed = started(place, "--out", "many/sweep", *fields)
    told(killed, "trial  ")
    workers = children(killed.pid)
    assert len(workers) == 2
    killed.kill()
    killed.communicate()
    for pid in workers:
        wait_for_end(pid)
    done = command("sweep", "my set", "--out", "many/sweep", "--trials", "4", "--workers", "2", cwd=place)
    assert done.code == 0, done.err
    (run,) = place.glob("many/my set-0*")
    states = [one["state"] for one in read_json(run / "sweep.json")["trials"]]
    assert len(states) == 4 and set(states) <= {"complete", "pruned"}


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(word) for word in found.split()]


def wait_for_end(pid: int) -> None:
    for _ in range(600):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split(") ")[1].startswith("Z"):
            return
        time.sleep(0.1)
    raise AssertionError(f"{pid} is still there")
