"""Trainings that go on without their terminal: real ones, in real sessions, watched, stopped and killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import COMMAND, command, environment
from painted import paint_folder

from lensmith.runs.directory import RunDirectory
from lensmith.runs.progress import read_progress

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX sessions and signals")

FIELDS = ("model=convnet", "image_size=16", "batch_size=8", "threads=1")
FOR_EVER = (*FIELDS, "epochs=1000000")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the data `photos/`. No process that holds a run in it outlives the test."""
    paint_folder(tmp_path / "photos", ant=10, bee=10)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    yield tmp_path
    for lock in tmp_path.glob("**/lock"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            os.kill(json.loads(lock.read_text())["pid"], signal.SIGKILL)


def until(happens: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def is_at_work(run: Path) -> bool:
    return bool(read_progress(RunDirectory(run)).get("step"))


def status(run: Path | str, place: Path) -> tuple[int, dict[str, Any]]:
    done = command("status", run, "--json", cwd=place)
    return done.code, done.json


def test_the_life_of_a_detached_run(place: Path) -> None:
    done = command("train", "photos", *FOR_EVER, "--detach", "--json", cwd=place)
    assert done.code == 0, done
    assert "data" in done.err and "plan" in done.err, "what it says before it goes is said here"
    told = done.json
    pid, run = told["pid"], place / told["run"]
    assert (run, told["log"]) == (place / "runs/photos-001", "runs/photos-001/output.log")
    assert os.getsid(pid) == os.getpgid(pid) == pid != os.getsid(0), "no signal of our terminal reaches it"
    assert list((place / "tmp").iterdir()) == []

    until(lambda: is_at_work(run), "a step")
    code, facts = status("last", place)
    assert (code, facts["state"], facts["code"]) == (0, "running", None)
    assert (facts["holder"]["pid"], facts["holder"]["alive"]) == (pid, True)
    assert 0 < facts["step"] < facts["steps"] and facts["epochs"] == 1_000_000
    assert facts["log"] == str(run / "output.log") and any("plan" in line for line in facts["lines"])

    refused = command("resume", "last", cwd=place)
    refused.refused(2, f"held by process {pid} on", "since", "lensmith stop")

    watching = subprocess.Popen(
        [*COMMAND, "status", "--follow"], cwd=place, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert watching.stderr is not None and watching.stderr.readline()
    stopped = command("stop", "last", cwd=place)
    assert stopped.code == 0 and "interrupted" in stopped.out and f"process {pid}" in stopped.err
    said = watching.communicate(timeout=60)[1]
    assert watching.returncode == 143 and "terminated" in said

    code, facts = status("last", place)
    assert (code, facts["state"], facts["code"], facts["holder"]) == (1, "interrupted", 143, None)
    assert facts["resumes_from"] > 0, "a checkpoint was saved before it ended"
    assert command("stop", "last", cwd=place).code == 0, "there is nothing more to stop"

    again = command("resume", "last", "--detach", "--json", cwd=place)
    assert again.code == 0, again
    until(lambda: is_at_work(run), "a step")
    assert f"from step {facts['resumes_from']:,}" in (run / "output.log").read_text(encoding="utf-8")
    os.kill(again.json["pid"], signal.SIGKILL)
    done = command("status", "last", "--follow", cwd=place)
    assert done.code == 137 and "killed" in done.out and "lensmith resume" in done.out
    assert status("last", place)[0] == 1


def test_a_terminal_that_is_closed_ends_what_runs_in_it_and_nothing_detached(place: Path) -> None:
    import pty

    line = 'lens() { "$@"; }\n' + "\n".join(
        f"lens {' '.join(COMMAND)} train photos {' '.join(FOR_EVER)} --out {out}"
        for out in ("away --detach", "here")
    )
    shell, master = pty.fork()
    if not shell:
        os.chdir(place)
        os.execve("/bin/sh", ["sh", "-c", line], environment())
    try:
        said = b""
        while not is_at_work(place / "here") or not is_at_work(place / "away"):
            said += os.read(master, 65536)
    finally:
        os.close(master)
    os.waitpid(shell, 0)
    until(
        lambda: read_progress(RunDirectory(place / "here"))["ended"],
        f"the end of the one in the terminal: {said!r}",
    )
    code, here = status("here", place)
    assert (code, here["state"], here["code"]) == (1, "interrupted", 129)
    before = status("away", place)[1]["step"]
    until(
        lambda: read_progress(RunDirectory(place / "away"))["step"] > before,
        "steps after the terminal has gone",
    )
    assert command("stop", "away", cwd=place).code == 0


def test_what_goes_wrong_before_the_run_stands_is_told_here(place: Path) -> None:
    command("train", "nowhere", "--detach", cwd=place).refused(3, "nowhere", "hint:")
    command("train", "photos", "lr=fast", "--detach", cwd=place).refused(2, "lr=fast")
    (place / "file").write_text("in the way")
    command("train", "photos", *FOR_EVER, "--out", "file/run", "--detach", cwd=place).refused(
        2, "no run can be written"
    )
    command("train", "photos", "--detach", "--dry-run", cwd=place).refused(2, "--dry-run")
    assert {path.name for path in place.iterdir()} == {"photos", "tmp", "file"}
    assert list((place / "tmp").iterdir()) == []


SLOW = """
import os, time
from pathlib import Path

Path("preparing").write_text(str(os.getpid()))
while not Path("go").exists():
    time.sleep(0.05)

def make(classes):
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_the_waiting_is_interrupted_or_its_line_drops(number: signal.Signals, place: Path) -> None:
    (place / "net.py").write_text(SLOW)
    waiting = subprocess.Popen(
        [*COMMAND, "train", "photos", "model=net.py:make", "epochs=1", "image_size=16", "--detach"],
        cwd=place,
        env=environment(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until((place / "preparing").exists, "the child")
    pid = int((place / "preparing").read_text())
    os.killpg(waiting.pid, number)
    assert waiting.wait(60) == (130 if number == signal.SIGINT else -number)
    if number == signal.SIGINT:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert not (place / "runs").exists()
    else:
        (place / "go").touch()
        until((place / "runs/photos-001/report.html").exists, "the run is finished")
        until(lambda: not (place / "runs/photos-001/lock").exists(), "its end")
        assert status("last", place)[1]["state"] == "finished"
    until(lambda: not list((place / "tmp").glob("lensmith-*")), "nothing is left of what they spoke through")
