"""Checkpoints on disk: whole or not there, the two newest kept, whatever happens while one is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lensmith.errors import ModelFileError
from lensmith.runs.checkpoints import read_checkpoint, write_checkpoint

FILES = {"weights.safetensors": b"w" * 5000, "state.json": b"{}"}


def steps(folder: Path) -> list[int]:
    return sorted(int(one.name) for one in folder.iterdir() if one.name.isdecimal())


def test_the_two_newest_are_kept_by_step_not_by_time(tmp_path: Path) -> None:
    for step in (9, 10, 100):
        path = write_checkpoint(tmp_path, step, FILES | {"state.json": str(step).encode()})
        os.utime(path, (2e9 - step, 0))
    assert steps(tmp_path) == [10, 100]
    found = read_checkpoint(tmp_path)
    assert found is not None and (found.step, found.skipped) == (100, ())
    assert found.files == FILES | {"state.json": b"100"}
    # A training that goes on from step 10 comes to 50: what lies after that is not its own.
    write_checkpoint(tmp_path, 50, FILES)
    assert steps(tmp_path) == [10, 50]


@pytest.mark.fault(26)
@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
@pytest.mark.parametrize("how", ["flipped", "cut", "gone", "empty"])
def test_one_that_is_damaged_is_passed_over_and_named(tmp_path: Path, name: str, how: str) -> None:
    write_checkpoint(tmp_path, 1, FILES)
    file = write_checkpoint(tmp_path, 2, FILES) / name
    content = file.read_bytes()
    middle = len(content) // 2
    if how == "gone":
        file.unlink()
    else:
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        file.write_bytes({"flipped": flipped, "cut": content[:middle], "empty": b""}[how])
    found = read_checkpoint(tmp_path)
    assert found is not None and found.step == 1 and found.files == FILES
    assert len(found.skipped) == 1 and str(file.parent) in found.skipped[0]
    # The next one does not count what is damaged as one of the two.
    write_checkpoint(tmp_path, 2, FILES)
    again = read_checkpoint(tmp_path)
    assert again is not None and (again.step, again.skipped) == (2, ())


def test_what_is_left_of_a_writing_that_was_killed_is_no_checkpoint(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 1, FILES)
    part = tmp_path / ".00000002.abc.part"
    part.mkdir()
    (part / "state.json").write_bytes(b"{}")
    found = read_checkpoint(tmp_path)
    assert found is not None and found.step == 1
    write_checkpoint(tmp_path, 3, FILES)
    assert not part.exists()


def test_none_and_none_that_verifies_are_two_things(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "none") is None
    (write_checkpoint(tmp_path, 1, FILES) / "state.json").write_bytes(b"[]")
    with pytest.raises(ModelFileError, match=r"no checkpoint can be used: .*state.json: damaged"):
        read_checkpoint(tmp_path)


_KILLED = """
import os, signal, sys
sys.path[:0] = {path!r}
from pathlib import Path
from lensmith.runs import checkpoints, files
count = 0

def counted(function):
    def call(*words, **more):
        global count
        count += 1
        if count == {at}:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*words, **more)
    return call

for name in ("fsync", "open", "mkdir", "unlink", "rmdir", "rename", "replace"):
    setattr(os, name, counted(getattr(os, name)))
import io
checkpoints.Path.open = counted(checkpoints.Path.open)
checkpoints.Path.replace = counted(checkpoints.Path.replace)
checkpoints.Path.unlink = counted(checkpoints.Path.unlink)
checkpoints.write_checkpoint(Path({folder!r}), 3, {{"weights.safetensors": b"3" * 100_000, "state.json": b"3"}})
print("written")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_at_each_call_of_a_saving_no_good_one_is_lost(tmp_path: Path) -> None:
    at, killed = 0, 0
    while True:
        at += 1
        folder = tmp_path / str(at)
        for step in (1, 2):
            write_checkpoint(folder, step, FILES | {"state.json": str(step).encode()})
        code = _KILLED.format(path=sys.path, at=at, folder=str(folder))
        done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True)
        found = read_checkpoint(folder)
        assert found is not None and not found.skipped
        assert found.files["state.json"] == str(found.step).encode()
        if done.stdout == "written\n":
            assert found.step == 3
            break
        assert done.returncode == -9, done.stderr
        killed += 1
        assert found.step >= 2
    assert killed >= 20
