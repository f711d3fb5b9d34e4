"""The cache folder: its place, its limit, and clearing it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from drawn import draw_classes

from lensmith.data.cache import cache_folder, clear, columns_folder, entries, make_room
from lensmith.data.sources import load_data
from lensmith.errors import UsageError
from lensmith.pictures.preprocess import Preprocess
from lensmith.store.store import open_column

pytestmark = pytest.mark.usefixtures("cache")


def fill(root: Path, *sides: int) -> None:
    """A column for each side, the first used longest ago."""
    data = load_data(root)
    for side in sides:
        before = {entry.path for entry in entries()}
        list(open_column(data, Preprocess(side)))
        (made,) = [entry.path for entry in entries() if entry.path not in before]
        when = time.time() - 1000 + side
        os.utime(made / "index.json", (when, when))


def sides() -> list[int]:
    return [round((entry.bytes / 12) ** 0.5) for entry in entries()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw_classes(tmp_path / "pets", cats=2, dogs=2)


def test_the_place(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == cache
    monkeypatch.delenv("LENSMITH_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "lensmith"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "lensmith"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == tmp_path / "home" / "Library" / "Caches" / "lensmith"


def test_without_a_home_the_hint_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LENSMITH_CACHE")

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(UsageError, match="no home folder") as caught:
        cache_folder()
    assert "LENSMITH_CACHE" in caught.value.hint


def test_the_longest_unused_goes_first(root: Path) -> None:
    fill(root, 100, 110, 120, 130)
    assert sides() == [100, 110, 120, 130]
    total = sum(entry.bytes for entry in entries())
    make_room(total)
    assert len(entries()) == 4
    list(open_column(load_data(root), Preprocess(100)))  # used again
    assert sides() == [110, 120, 130, 100]
    make_room(total - 1)
    assert sides() == [120, 130, 100]
    make_room(0)
    assert sides() == [100], "the newest stays, however large"


def test_clear_empties_it_and_says_how_much(root: Path, cache: Path) -> None:
    fill(root, 100, 110)
    half = columns_folder() / ".half"
    half.mkdir()
    (half / "pixels.bin").write_bytes(bytes(1000))
    held = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    assert clear() == held
    assert entries() == []
    assert not half.exists()
    assert clear() == 0


def test_what_a_killed_process_left_goes_after_a_day(root: Path) -> None:
    fill(root, 100)
    for name, age in (("old", 2 * 86_400), ("young", 600)):
        half = columns_folder() / f".{name}-x"
        half.mkdir()
        (half / "pixels.bin").write_bytes(b"x")
        (half / "index.json").write_text("{}")
        then = time.time() - age
        os.utime(half, (then, then))
    assert len(entries()) == 1, "half-written ones are not columns"
    make_room()
    assert sorted(path.name for path in columns_folder().glob(".*")) == [".young-x"]


def test_there_may_be_no_cache_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert entries() == []
    make_room()
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("LENSMITH_CACHE", str(tmp_path / "file"))
    assert entries() == []
    assert clear() == 0
