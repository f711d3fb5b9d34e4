"""The store on a disk that is full, lies, or is pulled away, and under processes that are stopped."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from columns import opened, same
from drawn import draw_classes, encoded, noise

from lensmith.data.cache import entries
from lensmith.data.sources import load_data
from lensmith.pictures.preprocess import Preprocess
from lensmith.store import filling, room

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw_classes(tmp_path / "pets", cats=5, dogs=6)


def test_the_column_gets_its_name_when_it_is_on_the_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("a file's name is asked for by its number")
    done: list[str] = []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(
        os, "fsync", lambda file: (fsync(file), done.append(str(Path(f"/proc/self/fd/{file}").readlink())))
    )
    monkeypatch.setattr(Path, "rename", lambda path, to: (rename(path, to), done.append(f"named {to.name}")))
    opened(load_data(root))
    names = [Path(one).name for one in done]
    last = names.index(f"named {entries()[0].path.name}")
    assert "pixels.bin" in names[:last]
    assert any(name.startswith(".sha256.bin") for name in names[:last])
    assert any(name.startswith(".index.json") for name in names[:last])


def test_a_disk_that_breaks_its_promise_falls_back_to_memory(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    data = load_data(root)
    wanted = opened(data, store=False)
    monkeypatch.setattr(room.DiskRoom, "write", full)
    column = opened(data)
    assert not column.from_store
    assert same(column, wanted)
    assert list((cache / "columns").iterdir()) == []


def test_pixels_that_never_reached_the_disk_are_not_kept(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks again after the system has told it once, hears that all is well."""
    fsync, told = os.fsync, []

    def broken(file: int) -> None:
        if not told:
            told.append(file)
            raise OSError(errno.EIO, "Input/output error")
        fsync(file)

    monkeypatch.setattr(os, "fsync", broken)
    monkeypatch.setattr(filling, "_CHUNK", 4)
    monkeypatch.setattr(room, "_SYNCED", 1)
    column = opened(load_data(root))
    assert told
    assert same(column, opened(load_data(root), store=False))
    assert list((cache / "columns").iterdir()) == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB, where this system lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only Linux's root can mount a small disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_falls_back_to_memory(
    root: Path, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_data(root)
    large = Preprocess(200)  # 11 x 120 kB
    wanted = opened(data, large, store=False)
    monkeypatch.setenv("LENSMITH_CACHE", str(tiny_disk))
    for _ in range(2):
        column = opened(data, large)
        assert not column.from_store
        assert same(column, wanted)
    assert list((tiny_disk / "columns").iterdir()) == [], "nothing half-written stays"
    assert opened(data).pixels.shape[0] == 11
    assert opened(data).from_store, "what fits is kept"


def test_a_disk_that_is_full_after_the_pixels_falls_back_too(
    root: Path, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pixels fit to the last page; the list of rows beside them does not."""
    data = load_data(root)
    monkeypatch.setenv("LENSMITH_CACHE", str(tiny_disk))
    (tiny_disk / "columns").mkdir()
    pages = -(-11 * 16 * 16 * 3 // os.sysconf("SC_PAGE_SIZE"))
    free = os.statvfs(tiny_disk).f_bavail * os.statvfs(tiny_disk).f_frsize
    (tiny_disk / "ballast").write_bytes(bytes(free - pages * os.sysconf("SC_PAGE_SIZE")))
    column = opened(data)
    assert not column.from_store
    assert same(column, opened(data, store=False))
    assert list((tiny_disk / "columns").iterdir()) == []


BUILD = """
import sys
from lensmith.pictures.preprocess import Preprocess
from lensmith.data.sources import load_data
from lensmith.store.store import open_column

data = load_data(sys.argv[1])
sys.stdin.readline()
going = open_column(data, Preprocess(64))
while True:
    try:
        next(going)
    except StopIteration as done:
        print(int(done.value.pixels.astype("int64").sum()), len(done.value.rows))
        break
"""


STOPPED = """
import signal, sys
from lensmith.pictures.preprocess import Preprocess
from lensmith.data.sources import load_data
from lensmith.store.store import open_column

signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    for event in open_column(load_data(sys.argv[1]), Preprocess(int(sys.argv[2]))):
        print(event.done, flush=True)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.mark.parametrize("side", [24, 64])
def test_ctrl_c_stops_it_and_leaves_nothing(side: int, tmp_path: Path, cache: Path) -> None:
    """Threads and processes alike: the terminal sends the signal to all of them."""
    root = draw_classes(tmp_path / "pets", cats=2, dogs=2)
    small, large = encoded(noise(24, 24)), encoded(noise(700, 900))
    for name in ("cats", "dogs"):
        for number in range(3000 if side == 24 else 100):
            (root / name / f"more {number}.png").write_bytes(small if side == 24 else large)
    going = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", STOPPED, str(root), str(side)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert going.stdout
    assert int(going.stdout.readline()) > 0
    os.killpg(going.pid, signal.SIGINT)
    said, trouble = going.communicate(timeout=60)
    assert (said.split()[-1], trouble) == ("stopped", "")
    assert list((cache / "columns").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(going.pid, 0)  # nobody of the family is left


def test_two_processes_at_once_both_succeed(tmp_path: Path) -> None:
    root = draw_classes(tmp_path / "pets", cats=200, dogs=200)
    command = [sys.executable, "-W", "error", "-c", BUILD, str(root)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen(command, text=True, **pipes) for _ in range(2)]
    said = [process.communicate("go\n") for process in both]
    column = opened(load_data(root), Preprocess(64))
    wanted = f"{int(column.pixels.astype('int64').sum())} 400\n"
    assert said == [(wanted, ""), (wanted, "")]
    assert column.from_store
    assert [path.name for path in entries()[0].path.parent.iterdir()] == [entries()[0].path.name]
