"""Faults 23 and 24: each call by which a checkpoint is saved fails once, or is where the process is killed."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import environment
from preloaded import before, preloaded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a library stands before the system's own")

MOST = 22
"""More than the calls that saving makes, so that it also takes place unharmed."""

# The parent forks a child for each call of saving, lets it fail there, and looks at what is left.
SAVING = """
import ctypes, json, os, shutil, sys
from pathlib import Path
from lensmith.runs.checkpoints import read_checkpoint, write_checkpoint

library, place, error, stays = ctypes.CDLL(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])

def files(step):
    return {"weights.safetensors": bytes([step]) * 300_000, "state.json": b"%d" % step}

def saved(folder, step, at):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    library.arm(b"checkpoints", at, error, stays)
    try:
        write_checkpoint(folder, step, files(step))
        code = 0
    except OSError as refused:
        code = 3 if refused.errno == error else 4
    except BaseException:
        import traceback
        traceback.print_exc()
        code = 5
    if not at:
        print(library.calls(), flush=True)
    os._exit(code)

folder = place / "0/checkpoints"
for step in (10, 20):
    write_checkpoint(folder, step, files(step))
shutil.copytree(folder, place / "kept")
assert saved(folder, 30, 0) == 0
ends = {}
for at in range(1, int(sys.argv[5]) + 1):
    folder = place / f"{at}/checkpoints"
    shutil.copytree(place / "kept", folder)
    code = saved(folder, 30, at)
    found = read_checkpoint(folder)
    told = [code, found.step, found.files == files(found.step), list(found.skipped)]
    write_checkpoint(folder, 40, files(40))  # the next one is written, and nothing is left lying
    ends[at] = [*told, read_checkpoint(folder).step, sorted(one.name for one in folder.iterdir())]
    shutil.rmtree(folder.parent)
print(json.dumps(ends))
"""


def ends_of_saving(library: Path, place: Path, error: int, stays: bool) -> tuple[int, dict[str, list]]:
    """How many calls saving makes; for each at which it failed: the exit code, and the checkpoint that is left."""
    place.mkdir()
    words = [library, place, error, int(stays), MOST]
    done = subprocess.run(
        [sys.executable, "-c", SAVING, *map(str, words)],
        env=environment(LD_PRELOAD=before(library)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    calls, ends = done.stdout.splitlines()
    return int(calls), json.loads(ends)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preloaded(tmp_path_factory.mktemp("library"))


@pytest.mark.fault(24)
def test_killed_at_any_call_of_saving_the_newest_whole_checkpoint_is_found(
    library: Path, tmp_path: Path
) -> None:
    calls, ends = ends_of_saving(library, tmp_path / "killed", 0, False)
    assert 12 <= calls < MOST
    for at, (code, step, whole, skipped, then, left) in ends.items():
        assert code == (-9 if int(at) <= calls else 0), at
        assert step in (20, 30) and whole and skipped == [], at
        assert then == 40 and left in (["00000020", "00000040"], ["00000030", "00000040"]), at
    assert {end[1] for end in ends.values()} == {20, 30}


@pytest.mark.fault(23)
@pytest.mark.parametrize(
    ("error", "stays"), [(errno.ENOSPC, True), (errno.EIO, False)], ids=["full", "failing"]
)
def test_a_disk_that_refuses_any_call_of_saving_keeps_what_was_there(
    error: int, stays: bool, library: Path, tmp_path: Path
) -> None:
    calls, ends = ends_of_saving(library, tmp_path / "refused", error, stays)
    for at, (code, step, whole, skipped, then, left) in ends.items():
        assert code in ((0, 3) if int(at) <= calls else (0,)), at
        assert (step == 30) if code == 0 else (step in (20, 30)), at
        assert whole and skipped == [], at
        assert then == 40 and len(left) == 2, at
    assert {end[0] for end in ends.values()} == {0, 3}
