"""The packaged network looks at each picture once, whatever data set it comes back in."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from drawn import draw
from painted import paint_folder

from lensmith.data.cache import clear, entries
from lensmith.data.sources import load_data
from lensmith.errors import DataError
from lensmith.features.backbone import Looked, is_there, look
from lensmith.pictures.preprocess import Preprocess
from lensmith.store.store import open_column
from lensmith.types import Event

pytestmark = [
    pytest.mark.usefixtures("cache"),
    pytest.mark.skipif(not is_there(), reason="the package with the weights is not installed"),
]


def looked(data, **options) -> tuple[Looked, list[Event]]:
    events, going = [], look(data, **options)
    while True:
        try:
            events.append(next(going))
        except StopIteration as end:
            return end.value, events


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return paint_folder(tmp_path / "pets", ant=10, bee=10)


def test_pictures_of_one_kind_look_alike(root: Path) -> None:
    found, events = looked(load_data(root))
    assert found.features.dtype == np.float32 and found.features.shape == (20, 1280)
    assert found.rows.tolist() == list(range(20)) and not found.skipped
    unit = found.features / np.linalg.norm(found.features, axis=1, keepdims=True)
    alike = unit @ unit.T - 2 * np.eye(20)
    assert (alike.argmax(1) // 10 == np.arange(20) // 10).all()
    assert [(e.stage, e.done, e.total) for e in events] == [("features", 16, 20)]


def test_a_second_look_is_there_at_once_in_whatever_data_set(root: Path) -> None:
    first, _ = looked(load_data(root))
    again, events = looked(load_data(root))
    assert not events and np.array_equal(first.features, again.features)
    shutil.move(root / "ant" / "03.png", root / "bee" / "moved.png")
    draw(root / "bee" / "new.png", size=(20, 20))
    data = load_data(root)
    known = {e.sha256: row for row, e in enumerate(load_data(root).examples) if e.sha256}
    changed, events = looked(data)
    assert len(changed.rows) == 21 and not known
    ids = dict(zip(data.ids, changed.features, strict=True))
    kept = looked(load_data(root))[0].features
    assert np.array_equal(np.stack(list(ids.values())), kept)
    moved = next(row for row, e in enumerate(data.examples) if e.source.name == "moved.png")
    assert np.array_equal(changed.features[moved], first.features[3])


def test_nothing_is_kept_unasked_and_the_numbers_are_the_same(root: Path) -> None:
    without, _ = looked(load_data(root), store=False)
    assert not entries()
    kept, _ = looked(load_data(root))
    assert np.array_equal(without.features, kept.features) and entries()
    assert clear() > 0 and not entries()


def test_pictures_that_are_prepared_already_are_not_decoded_again(tmp_path: Path) -> None:
    root = paint_folder(tmp_path / "photos" / "train", ant=4, bee=4).parent
    paint_folder(root / "val", ant=2, bee=2)
    data = load_data(root)
    train, steps = data.split("train"), Preprocess(224, "crop", 256, "bicubic")
    list(open_column(train, steps))
    (entry,) = entries()
    pixels = np.memmap(entry.path / "pixels.bin", np.uint8, "r+")
    pixels[:] = 0  # what is black now can only come from here
    pixels.flush()
    found, _ = looked(data)
    black = [row for row in range(len(data)) if data.examples[row].split == "train"]
    assert np.ptp(found.features[black], axis=0).max() == 0
    assert np.ptp(found.features, axis=0).max() > 0


def test_what_cannot_be_read_is_named_and_left_out(root: Path) -> None:
    broken = root / "ant" / "00.png"
    broken.write_bytes(broken.read_bytes()[:60])
    data = load_data(root)
    found, _ = looked(data)
    assert len(found.rows) == len(data) - len(found.skipped) == 19
    assert found.skipped[0].file == str(broken) and found.skipped[0].reason
    again, _ = looked(data)
    assert np.array_equal(again.rows, found.rows) and again.skipped == found.skipped
    for file in root.rglob("*.png"):
        file.write_bytes(broken.read_bytes())
    with pytest.raises(DataError, match="no picture can be read"):
        looked(load_data(root))


def test_a_damaged_folder_of_the_cache_is_made_anew(root: Path) -> None:
    first, _ = looked(load_data(root))
    (entry,) = entries()
    (entry.path / "features.bin").write_bytes(b"short")
    again, events = looked(load_data(root))
    assert events and np.array_equal(first.features, again.features)
    assert not looked(load_data(root))[1]


def test_pictures_without_files_are_looked_at_each_time(root: Path) -> None:
    data = load_data(root)
    found, _ = looked(load_data([data[i] for i in range(20)]))
    assert not entries()
    assert np.array_equal(found.features, looked(data)[0].features)
