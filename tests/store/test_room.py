"""Room for a column: whatever is written, in any order and by whom it may be, lies in its rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lensmith.store.room import DiskRoom, MemoryRoom, Room

pytestmark = pytest.mark.usefixtures("cache")

PIXELS = np.random.default_rng(0).integers(0, 256, (200, 5, 7, 3), dtype=np.uint8)


@pytest.fixture(params=["memory", "disk"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[int], Room]]:
    """Room for so many pictures."""
    if request.param == "memory":
        yield lambda count: MemoryRoom((count, 5, 7, 3))
        return
    with contextlib.ExitStack() as opened:

        def on_disk(count: int) -> Room:
            room = DiskRoom(tmp_path / "pixels.bin", (count, 5, 7, 3))
            opened.callback(room.close)
            return room

        yield on_disk


def test_blocks_in_any_order(make: Callable[[int], Room]) -> None:
    room = make(200)
    parts = [range(start, min(start + 17, 200)) for start in range(0, 200, 17)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda part: room.write(part, PIXELS[part.start : part.stop]), parts[::-1]))
    assert (room.pixels() == PIXELS).all()


def test_rows_that_do_not_follow_one_another(make: Callable[[int], Room]) -> None:
    room = make(10)
    room.write([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], PIXELS[:10])
    room.write([2, 3, 7, 9], PIXELS[100:104])
    room.write([], PIXELS[:0])
    wanted = PIXELS[:10].copy()
    wanted[[2, 3, 7, 9]] = PIXELS[100:104]
    assert (room.pixels() == wanted).all()


@pytest.mark.parametrize(
    "dropped", [[], [0], [199], range(1, 200), range(0, 200, 3), range(60, 70), range(200)]
)
def test_gaps_are_closed(dropped: list[int], make: Callable[[int], Room]) -> None:
    room = make(200)
    room.write(range(200), PIXELS)
    kept = np.setdiff1d(np.arange(200), list(dropped))
    room.keep(kept)
    assert room.pixels().shape == (len(kept), 5, 7, 3)
    assert (room.pixels() == PIXELS[kept]).all()


def test_the_file_holds_what_was_kept_and_stays_as_it_is(tmp_path: Path) -> None:
    room = DiskRoom(tmp_path / "pixels.bin", PIXELS.shape)
    assert (tmp_path / "pixels.bin").stat().st_size == PIXELS.nbytes, "taken before it is needed"
    room.write(range(200), PIXELS)
    room.sync_some(200)
    room.keep(np.arange(3, 200))
    room.sync()
    pixels = room.pixels()
    room.close()
    (tmp_path / "pixels.bin").rename(tmp_path / "elsewhere.bin")
    assert (pixels == PIXELS[3:]).all()
    pixels[:] = 0
    assert (tmp_path / "elsewhere.bin").read_bytes() == PIXELS[3:].tobytes()


def test_no_room_on_the_disk_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"large|space|argument"):
        DiskRoom(tmp_path / "pixels.bin", (2**40, 1000, 1000, 3))
