"""A run belongs to one process: real ones race for it, are killed over it, and told from others of their number."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lensmith.errors import UsageError
from lensmith.runs import lock as room
from lensmith.runs.directory import new_run
from lensmith.runs.holder import read_holder, this_process
from lensmith.runs.lock import LOCK, hold

HOLD = """
import sys
from pathlib import Path
from lensmith.runs.lock import hold

with hold(Path(sys.argv[1])):
    print(flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_elsewhere(run: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the run until it is told to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def leave(run: Path, **changes: Any) -> None:
    """A lock of this process, or of what differs from it by these changes."""
    holder = dataclasses.replace(this_process(), **changes)
    (run / LOCK).write_text(json.dumps(holder.as_dict()))


def files(run: Path) -> list[str]:
    return [path.name for path in run.iterdir()]


def test_it_is_given_back_however_the_block_ends(tmp_path: Path) -> None:
    for stop in (None, ValueError, KeyboardInterrupt, SystemExit):
        try:
            with hold(tmp_path) as cured:
                assert cured == "" and files(tmp_path) == [LOCK]
                if stop is not None:
                    raise stop
        except (ValueError, KeyboardInterrupt, SystemExit):
            pass
        assert files(tmp_path) == []


@pytest.mark.fault(29)
def test_another_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as process:
        os.utime(tmp_path / LOCK, (1, 1))  # no clock is asked
        with pytest.raises(UsageError, match=f"held by process {process.pid} on ") as caught, hold(tmp_path):
            pass
        holder = read_holder((tmp_path / LOCK).read_text())
        assert holder is not None
        assert holder.host in caught.value.message and holder.since in caught.value.message
        assert f"lensmith status {tmp_path}" in caught.value.hint
        with pytest.raises(UsageError, match="held by process"), new_run("x", tmp_path):
            pass
        process.communicate("end\n")
    with hold(tmp_path) as cured:
        assert cured == ""


def test_one_process_cannot_hold_it_twice(tmp_path: Path) -> None:
    with hold(tmp_path):
        with pytest.raises(UsageError, match="held by this process"), hold(tmp_path):
            pass
        assert files(tmp_path) == [LOCK], "and it still holds it"


@pytest.mark.fault(29)
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_lock_that_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie: its number is still there
        with hold(tmp_path) as cured:
            assert f"process {process.pid}" in cured and "is gone" in cured
        assert files(tmp_path) == []


@pytest.mark.parametrize("other", [{"started": "1"}, {"boot": "another"}, {"pid": 2**22 + 1}])
def test_a_number_that_came_again_is_another_process(other: dict[str, Any], tmp_path: Path) -> None:
    leave(tmp_path, **other)
    with hold(tmp_path) as cured:
        assert "is gone" in cured
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "other", [{"host": "node7"}, {"machine": "of the same name"}, {"numbering": "a container's"}]
)
def test_what_cannot_be_told_from_here_is_left_alone(other: dict[str, Any], tmp_path: Path) -> None:
    leave(tmp_path, **{"pid": 2**22 + 1, "boot": "another"} | other if "numbering" not in other else other)
    before = (tmp_path / LOCK).read_bytes()
    with pytest.raises(UsageError, match="cannot be told from here") as caught, hold(tmp_path):
        pass
    assert f"remove {tmp_path / LOCK}" in caught.value.hint
    assert (tmp_path / LOCK).read_bytes() == before


def test_a_job_that_slurm_started_again_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    leave(tmp_path, host="node7")
    with pytest.raises(UsageError, match="cannot be told from here"), hold(tmp_path):
        pass
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    with hold(tmp_path) as cured:
        assert "node7" in cured, "the first attempt is gone, says Slurm by starting the second"
    leave(tmp_path, host="node7", job=" 78", attempt=0)
    with pytest.raises(UsageError, match="cannot be told from here"), hold(tmp_path):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"pid": 1}', "\x00" * 300])
def test_a_lock_that_tells_nothing_is_left_alone(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_PATIENCE", 0.05)
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(UsageError, match="does not tell which process") as caught, hold(tmp_path):
        pass
    assert "remove that file" in caught.value.hint and (tmp_path / LOCK).read_text() == content


def test_who_was_killed_while_taking_a_lock_over(tmp_path: Path) -> None:
    leave(tmp_path, boot="one")
    first = room.read_lock(tmp_path / LOCK)
    assert first is not None
    right = tmp_path / f".{LOCK}-{first.digest}"
    right.write_text(json.dumps(dataclasses.replace(this_process(), boot="two").as_dict()))
    with hold(tmp_path) as cured:
        assert "is gone" in cured
    assert files(tmp_path) == []


def test_a_lock_taken_away_by_hand_and_taken_anew_is_not_given_back(tmp_path: Path) -> None:
    with hold(tmp_path):
        (tmp_path / LOCK).unlink()
        leave(tmp_path)
    assert files(tmp_path) == [LOCK], "it is somebody else's"


FORK = """
import os, sys
from pathlib import Path
from lensmith.runs.lock import hold

with hold(Path(sys.argv[1])):
    if not os.fork():
        sys.exit(0)
    os.wait()
    print((Path(sys.argv[1]) / "lock").exists())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_gives_nothing_back(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n" and files(tmp_path) == []


RACE = """
import os, random, sys, time
from contextlib import ExitStack
from pathlib import Path
from lensmith.errors import UsageError
from lensmith.runs.holder import Holder
from lensmith.runs.lock import hold

answer = Holder.is_alive
def slowly(holder):
    alive = answer(holder)
    time.sleep(random.random() / 100)  # what was true when it was asked may not be so any more
    return alive
Holder.is_alive = slowly

place, links = Path(sys.argv[1]), sys.argv[2] == "links"
def link(*words):
    raise PermissionError(1, "no links here")
if not links:
    os.link = link
print(flush=True)
start = float(sys.stdin.readline())
with ExitStack() as held:
    for run in sorted(place.iterdir()):
        start += 0.05
        while time.time() < start:
            pass
        try:
            held.enter_context(hold(run))
            print(run.name, flush=True)
        except UsageError as error:
            assert "held by process" in error.message, error.message
    sys.stdout.flush(); os.close(1)
    sys.stdin.readline()
"""


@pytest.mark.fault(29)
@pytest.mark.parametrize("system", ["links", "no links"])
@pytest.mark.parametrize("before", ["nothing", "a stale lock"])
def test_of_racing_processes_exactly_one_wins(before: str, system: str, tmp_path: Path) -> None:
    import time

    runs = [tmp_path / f"{number:02d}" for number in range(12)]
    for run in runs:
        run.mkdir()
        if before != "nothing":
            leave(run, boot="another")
    racing = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(tmp_path), system],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    for process in racing:
        assert process.stdout is not None and process.stdout.readline() == "\n"
    start = f"{time.time() + 0.2}\n"
    for process in racing:
        assert process.stdin is not None
        process.stdin.write(start)
        process.stdin.flush()
    won = [process.stdout.read().split() for process in racing if process.stdout is not None]
    for process in racing:
        assert process.communicate("end\n")[1] == "" and process.returncode == 0
    assert sorted(itertools.chain(*won)) == [run.name for run in runs]
    assert [files(run) for run in runs] == [[]] * len(runs), "and nothing is left over"
