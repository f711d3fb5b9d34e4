"""A disk that fills up, or a limit on file sizes: one clear error, and what was there before is whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import QUICK, Ask, tree

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits and mounts")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A limit in bytes on each file that this process writes, as `ulimit -f` sets it."""
    import resource

    before, highest = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, highest))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, highest))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """`disk/`, a file system of 256 kB, where this account may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def run(trained_digits: Path, tmp_path: Path) -> Path:
    """`run/`, a copy of a finished run."""
    return Path(shutil.copytree(trained_digits / "runs/digits-001", tmp_path / "run"))


@pytest.mark.fault(23)
def test_a_model_that_cannot_be_written_whole(photos: Path, run: Path, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    run.rename(tmp_path / "runs/photos-001")
    with files_of_at_most(100_000):
        done = ask("train", "photos", *QUICK)
    done.refused(4, "too large", "hint:", "ulimit -f")
    # Nothing half-written can be taken for a model, and the earlier run still answers.
    left = tree(tmp_path / "runs/photos-002")
    assert not [name for name in left if name.startswith(("model", "report", "predictions"))]
    assert not [name for name in left if name.endswith(".part")]
    ask("predict", "last", "photos/ant/00.png").refused(5, "photos-002", "hint:")
    assert ask("predict", "runs/photos-001", "photos/ant/00.png").code == 0


@pytest.mark.fault(23)
def test_an_export_that_does_not_fit(run: Path, ask: Ask) -> None:
    for name in ("x.lens", "x.onnx"):
        with files_of_at_most(100_000):
            done = ask("export", "run", "-o", name)
        done.refused(4, f"{name}: cannot be written", "File too large", "hint:")
        assert not list(Path().glob("*x.*"))


@pytest.mark.fault(23)
def test_a_full_disk(run: Path, small_disk: Path, ask: Ask) -> None:
    (small_disk / "kept.txt").write_text("mine")
    for words in (("export", "run", "-o", "disk/x.lens"), ("sample", "digits", "disk/digits")):
        done = ask(*words)
        done.refused(4, f"{words[-1]}: cannot be written", "No space left", "hint: Free some space")
        assert [path.name for path in small_disk.iterdir()] == ["kept.txt"]


@pytest.mark.fault(23)
def test_a_run_on_a_full_disk(photos: Path, small_disk: Path, ask: Ask) -> None:
    (small_disk / "filling").write_bytes(bytes(200 * 1024))
    done = ask("train", "photos", *QUICK, "--out", "disk/run")
    done.refused(4, "space left", "hint: Free some space")
    ask("predict", "disk/run", "photos/ant/00.png").refused(5, "disk/run", "hint:")


@pytest.mark.fault(23)
def test_a_detached_run_on_a_full_disk_is_told_of_here(photos: Path, small_disk: Path, ask: Ask) -> None:
    (small_disk / "filling").write_bytes(
        bytes(252 * 1024)
    )  # room for the lock of the run, and for nothing else
    done = ask("train", "photos", *QUICK, "--out", "disk/run", "--detach")
    done.refused(4, "space left", "hint: Free some space")
    assert [path.name for path in (small_disk / "run").iterdir()] == []


@pytest.mark.fault(23)
def test_a_full_cache_disk_costs_time_alone(
    trained_digits: Path, run: Path, small_disk: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("evaluate", "run", trained_digits / "digits", "--json")
    with_room = ask(*words)
    monkeypatch.setenv("LENSMITH_CACHE", str(small_disk))
    done = ask(*words)
    assert done.code == 0 and done.err == ""
    assert done.json | {"speed": None} == with_room.json | {"speed": None}
    assert not [path for path in small_disk.rglob("*") if path.is_file()]
