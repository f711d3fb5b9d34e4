"""The store: decoded once, noticed when a file changes, and never in the way of a training."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import PIL
import pytest
from columns import STEPS, opened, same
from drawn import draw, draw_classes, encoded, noise, tree_hash

from lensmith.data.cache import entries
from lensmith.data.sources import load_data
from lensmith.errors import DataError
from lensmith.pictures.preprocess import Preprocess
from lensmith.store import filling
from lensmith.store.store import open_column

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw_classes(tmp_path / "pets", cats=5, dogs=6)


def test_the_second_time_it_comes_from_the_cache(root: Path, cache: Path) -> None:
    before = tree_hash(root)
    data = load_data(root)
    first = opened(data)
    assert not first.from_store
    assert (first.pixels.shape, first.pixels.dtype) == ((11, 16, 16, 3), np.uint8)
    for row in range(11):
        assert (first.pixels[row] == STEPS(data.pixels(row))).all()
    second = opened(load_data(root))
    assert second.from_store
    assert same(first, second)
    assert len(entries()) == 1
    assert [path.name for path in (cache / "columns").iterdir()] == [entries()[0].path.name]
    assert tree_hash(root) == before, "nothing is written under the data"


def test_pixels_may_be_written_over_without_harm_to_the_store(root: Path) -> None:
    data = load_data(root)
    wanted = opened(data, store=False).pixels
    for expected in (False, True, True):
        column = opened(data)
        assert column.from_store is expected
        assert (column.pixels == wanted).all()
        column.pixels[:] = 0


def test_another_use_of_the_pictures_is_another_column(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_data(root)
    opened(data)
    for steps in (Preprocess(17), Preprocess(16, "pad"), Preprocess(16, interpolation="bicubic")):
        assert not opened(data, steps).from_store
    assert not opened(data.with_examples(data.examples[1:])).from_store
    assert not opened(data.with_examples(data.examples[::-1])).from_store
    assert opened(data).from_store
    monkeypatch.setattr(PIL, "__version__", "99.0")
    assert not opened(data).from_store, "another Pillow may give other pixels"


def test_a_changed_file_is_noticed(root: Path) -> None:
    data = load_data(root)
    first = np.array(opened(data).pixels)
    file = root / "cats" / "2.png"
    size = file.stat().st_size
    content = next(c for seed in range(999) if len(c := encoded(noise(seed=seed + 5000))) <= size)
    file.write_bytes(content.ljust(size, b"\0"))
    os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns + 1))
    assert file.stat().st_size == size
    again = opened(load_data(root))
    assert not again.from_store
    changed = [row for row in range(11) if (again.pixels[row] != first[row]).any()]
    assert changed == [2]


def test_unreadable_pictures_are_left_out_and_rows_stay_with_their_pictures(root: Path) -> None:
    (root / "cats" / "0.png").write_bytes(b"")
    (root / "cats" / "3.png").write_text("<html></html>")
    (root / "dogs" / "5.png").write_bytes(encoded(noise())[:300])
    data = load_data(root)
    for expected in (False, True):
        column = opened(data)
        assert column.from_store is expected
        assert column.rows.tolist() == [1, 2, 4, 5, 6, 7, 8, 9]
        used = column.matching(data)
        assert len(used) + len(column.skipped) == len(data)
        for row, example in enumerate(used.examples):
            assert (column.pixels[row] == STEPS(used.pixels(row))).all()
            assert data.classes[int(example.target)] == Path(str(example.source)).parent.name
        told = {Path(s.file).name: s.reason for s in column.skipped}
        assert told["0.png"] == "empty file"
        assert "web page" in told["3.png"]
        assert "damaged" in told["5.png"]


def test_a_relative_path_leads_to_the_same_column(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(load_data(root))
    monkeypatch.chdir(root.parent)
    assert opened(load_data(root.name)).from_store


def test_the_examples_learn_what_identifies_their_pictures(root: Path) -> None:
    (root / "cats" / "0.png").write_bytes(encoded(noise())[:300])
    for expected in (False, True):
        data = load_data(root)
        assert opened(data).from_store is expected
        files = [Path(str(example.source)) for example in data.examples]
        assert [e.sha256 for e in data.examples] == [
            hashlib.sha256(f.read_bytes()).hexdigest() for f in files
        ]
    (root / "cats" / "2.png").unlink()
    assert len(set(data.ids)) == 11, "nobody has to read them again"


def test_a_picture_that_goes_while_it_is_read_is_skipped(root: Path) -> None:
    data = load_data(root)
    (root / "dogs" / "1.png").unlink()
    column = opened(data)
    assert len(column.rows) == 10
    assert "cannot be opened" in column.skipped[0].reason


def test_no_picture_at_all_is_an_error_with_the_first_reason(root: Path) -> None:
    for file in root.rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match="no picture can be read") as caught:
        opened(load_data(root))
    assert "0.png: empty file" in caught.value.hint
    assert entries() == []


def test_without_the_store_nothing_is_written(root: Path, cache: Path) -> None:
    wanted = opened(load_data(root), store=False)
    assert not cache.exists()
    assert not opened(load_data(root), store=False).from_store
    assert same(wanted, opened(load_data(root)))


def test_a_cache_that_cannot_be_made_stops_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = opened(load_data(root), store=False)
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("LENSMITH_CACHE", str(tmp_path / "file" / "cache"))
    for _ in range(2):
        column = opened(load_data(root))
        assert not column.from_store
        assert same(column, wanted)


DAMAGE = [
    lambda folder: (folder / "pixels.bin").unlink(),
    lambda folder: (folder / "pixels.bin").write_bytes(b"short"),
    lambda folder: (folder / "index.json").write_text(""),
    lambda folder: (folder / "index.json").write_text("[]"),
    lambda folder: (folder / "index.json").write_text('{"shape": 5, "rows": [], "skipped": []}'),
    lambda folder: (folder / "index.json").write_bytes(b"\xff\xfe"),
    lambda folder: change(folder / "index.json", rows=[0]),
    lambda folder: change(folder / "index.json", skipped=[{"name": "x"}]),
    lambda folder: (folder / "sha256.bin").unlink(),
    lambda folder: (folder / "sha256.bin").write_bytes(b"short"),
]


def change(index: Path, **facts: object) -> None:
    index.write_text(json.dumps({**json.loads(index.read_text()), **facts}))


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_column_is_made_again_once(damage: object, root: Path) -> None:
    data = load_data(root)
    wanted = opened(data, store=False)
    opened(data)
    damage(entries()[0].path)
    again = opened(data)
    assert not again.from_store
    assert same(again, wanted)
    assert opened(data).from_store, "and is kept this time"


def test_a_column_that_goes_while_it_is_made_stops_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lensmith.data.cache import clear

    monkeypatch.setattr(filling, "_CHUNK", 4)
    data = load_data(root)
    going = open_column(data, STEPS)
    next(going)
    clear()
    with pytest.raises(StopIteration) as done:
        while True:
            next(going)
    assert same(done.value.value, opened(data, store=False))


def test_progress_is_told_and_leaving_early_leaves_nothing(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "_CHUNK", 4)
    told = [(event.done, event.total) for event in open_column(load_data(root), STEPS)]
    assert told == [(4, 11), (8, 11)]
    going = open_column(load_data(root), Preprocess(17))
    next(going)
    going.close()
    assert len(list((cache / "columns").iterdir())) == 1


def test_the_samples_are_decoded_each_time_and_kept_nowhere(cache: Path) -> None:
    """Somebody's own data set may give other pixels next time."""
    digits = load_data("digits")
    part = digits.with_examples(digits.examples[:20])
    assert opened(part, Preprocess(32)).pixels.shape == (20, 32, 32, 3)
    assert not cache.exists()


def test_names_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("names are Unicode there")
    draw(tmp_path / "x" / "a.png")
    (tmp_path / "x" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    draw(tmp_path / "y" / "a.png", 1)
    data = load_data(tmp_path)
    first, second = opened(data), opened(data)
    assert second.from_store
    assert second.skipped == first.skipped
    assert os.fsencode(second.skipped[0].file).endswith(b"caf\xe9.png")
