"""Batches streamed from shards: the folder's epoch as a set, one part for each process, resumed anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import draw_classes
from shard_servers import draw_photos, serving_folder
from shards_written import deal, ended

import lensmith as lm
from lensmith.batches.augment import Augment
from lensmith.batches.batches import Batches
from lensmith.batches.growth import Growth
from lensmith.batches.mixing import Mixing
from lensmith.batches.streamed import Streamed, stream
from lensmith.data.dataset import ImageDataset
from lensmith.data.decoding import Decoder
from lensmith.data.sources import load_data
from lensmith.data.target_array import target_array
from lensmith.errors import DataError, UsageError
from lensmith.pictures.preprocess import Preprocess
from lensmith.shards.folder import Folder
from lensmith.store.store import open_column
from lensmith.types import Batch

COUNT = 53
SIZE = Preprocess(24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("streamed")
    deal(draw_photos(place / "data", COUNT), place / "shards", count=8)
    return place / "shards"


@pytest.fixture(scope="module")
def data(folder: Path) -> ImageDataset:
    return load_data(folder)


def equal(some: list[Batch], others: list[Batch]) -> bool:
    parts = zip(some, others, strict=True)
    return all(
        torch.equal(one.rows, other.rows)
        and torch.equal(one.images, other.images)
        and torch.equal(one.targets, other.targets)
        for one, other in parts
        if one.rows is not None and other.rows is not None
    )


def rows_of(batches: Any, epoch: int) -> list[int]:
    return [int(row) for batch in batches(epoch) for row in batch.rows]


CHANGES: dict[str, Callable[[], dict[str, Any]]] = {
    "as usual": dict,
    "crop and colour": lambda: {"augment": Augment(crop=0.3, colour=0.4, cutout=0.3)},
    "a transform": lambda: {"augment": Augment(transform=_turned)},
}


def _turned(picture: torch.Tensor) -> torch.Tensor:
    return picture.rot90(int(torch.randint(4, ())), (1, 2))


@pytest.mark.parametrize("changes", CHANGES)
def test_each_picture_is_what_batches_of_the_whole_column_make_of_it(
    data: ImageDataset, changes: str
) -> None:
    more = CHANGES[changes]()
    augment = more.get("augment", Augment())
    column = ended(open_column(data, SIZE.enlarged(1.15), store=False))
    targets = torch.from_numpy(target_array(data))
    whole = Batches(torch.from_numpy(column.pixels), targets, SIZE, COUNT, augment, 3)
    streaming = stream(data, SIZE, 8, augment=augment, seed=3)
    for epoch in (0, 1):
        (everything,) = whole(epoch)
        assert everything.rows is not None
        known = {int(row): at for at, row in enumerate(everything.rows)}
        for batch in streaming(epoch):
            assert batch.rows is not None
            at = [known[row] for row in batch.rows.tolist()]
            assert torch.equal(batch.images, everything.images[at])
            assert torch.equal(batch.targets, everything.targets[at])


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_all_processes_together_give_each_picture_once(data: ImageDataset, world: int) -> None:
    parts = [stream(data, SIZE, 4, seed=1, part=(rank, world)) for rank in range(world)]
    orders = []
    for epoch in (0, 1):
        rows = [rows_of(part, epoch) for part in parts]
        steps = COUNT // (4 * world)
        assert [len(part) for part in parts] == [steps] * world
        assert [len(one) for one in rows] == [4 * steps] * world
        together = [row for one in rows for row in one]
        assert len(set(together)) == len(together) == 4 * steps * world > COUNT - 4 * world
        orders.append(rows)
    assert orders[0] != orders[1]


def test_fewer_pictures_than_a_batch_are_one_batch_of_all(data: ImageDataset) -> None:
    parts = [stream(data, SIZE, 64, part=(rank, 3)) for rank in range(3)]
    assert [len(part) for part in parts] == [1] * 3
    assert sorted(row for part in parts for row in rows_of(part, 0)) == list(range(COUNT))
    few = data.with_examples(data.examples[:2])
    with pytest.raises(UsageError, match="2 pictures for 3 processes"):
        [list(stream(few, SIZE, 64, part=(rank, 3))(0)) for rank in range(3)]


def test_a_process_reads_its_own_shards(data: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    inner = Folder.read
    monkeypatch.setattr(
        Folder, "read", lambda place, name, *more: read.append(name) or inner(place, name, *more)
    )
    for rank in range(3):
        part = stream(data, SIZE, 4, part=(rank, 3))
        bounds = {data.examples[row].source.shard.name for row in rows_of(part, 0)}
        assert len(bounds) <= 4, "a third of seven shards, and a part of two at its ends"
        read.clear()
        rows = rows_of(part, 1)
        assert len(read) == len(rows), "its own pictures alone"


@pytest.mark.parametrize("buffer", [1, 6, 1000])
@pytest.mark.parametrize("part", [(0, 1), (1, 2)])
def test_resumed_anywhere_the_same_batches_come(
    data: ImageDataset, buffer: int, part: tuple[int, int]
) -> None:
    made = stream(data, SIZE, 4, seed=2, part=part)
    streaming = Streamed(
        made.pixels,
        made.targets,
        SIZE,
        4,
        Augment(colour=0.2),
        2,
        part=part,
        buffer=buffer,
        mixing=Mixing(mixup=0.4, classes=2),
        growth=Growth(0.5, 2.0),
    )
    for epoch in (0, 1):
        whole = list(streaming(epoch))
        for first in (0, 1, len(streaming) // 2, len(streaming) - 1, len(streaming)):
            assert equal(list(streaming(epoch, first)), whole[first:])


def test_what_was_before_is_neither_read_nor_decoded(
    data: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    streaming = stream(data, SIZE, 8)
    wanted = {row for batch in list(streaming(0))[4:] for row in batch.rows.tolist()}
    decoded: list[int] = []
    inner = Decoder.block
    monkeypatch.setattr(
        Decoder, "block", lambda one, rows, *more: decoded.extend(rows) or inner(one, rows, *more)
    )
    list(streaming(0, 4))
    assert sorted(decoded) == sorted(wanted)


def test_pictures_change_places_within_the_buffer(tmp_path: Path) -> None:
    deal(draw_classes(tmp_path / "data", cats=100, dogs=100), tmp_path / "shards", count=200)
    data = load_data(tmp_path / "shards")
    made = stream(data, SIZE, 1)
    for buffer, farthest in ((20, 20), (1, 0)):
        streaming = Streamed(made.pixels, made.targets, SIZE, 1, Augment(), 0, buffer=buffer)
        rows, places = streaming._order(0)
        moved = np.abs(np.arange(200) - places)
        assert rows.tolist() == list(range(200))
        assert moved.max() <= farthest
        assert farthest == 0 or (moved > farthest / 4).mean() > 0.3


def test_a_picture_that_cannot_be_read_is_missing_and_named(tmp_path: Path) -> None:
    source = draw_photos(tmp_path / "data", 20)
    bad = source / "ants" / "00.jpg"
    bad.write_bytes(bad.read_bytes()[:200])
    deal(source, tmp_path / "shards")
    data = load_data(tmp_path / "shards")
    row = next(row for row, one in enumerate(data.examples) if one.source.path.endswith("00.jpg"))
    streaming = stream(data, SIZE, 5)
    batches = list(streaming(0))
    assert sorted(len(batch.images) for batch in batches) == [4, 5, 5, 5]
    assert list(streaming.reasons) == [row]
    assert "damaged" in streaming.reasons[row]
    only = data.with_examples([data.examples[row]] * 3)
    with pytest.raises(DataError, match="no picture of a batch can be read"):
        list(stream(only, SIZE, 3)(0))


def test_from_a_server_it_is_the_same(folder: Path, data: ImageDataset) -> None:
    with serving_folder(folder) as server:
        far = stream(load_data(server.url), SIZE, 8, seed=5)
        server.asked.clear()
        batches = list(far(0))
        assert len(server.asked) <= 7 + 7, "each shard once, and once to know what its pictures are like"
        assert equal(batches, list(stream(data, SIZE, 8, seed=5)(0)))
        server.asked.clear()
        assert equal(list(far(1)), list(stream(data, SIZE, 8, seed=5)(1)))
        assert len(server.asked) <= 7


def test_fit_trains_on_them(data: ImageDataset) -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 24 * 24, 2))
    batches = stream(data, SIZE, 8)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001)
    epochs = lm.fit(net, batches, loss=torch.nn.CrossEntropyLoss(), optimizer=optimizer, epochs=1.5).run()
    assert [epoch.steps for epoch in epochs] == [6, 3]


def test_what_cannot_be_streamed_is_refused(data: ImageDataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lies in no shard"):
        stream(load_data(draw_classes(tmp_path, cats=2, dogs=2)), SIZE)
    for part in ((2, 2), (-1, 1)):
        with pytest.raises(UsageError, match="is no part of the pictures"):
            stream(data, SIZE, part=part)
    with pytest.raises(DataError, match="no pictures"):
        stream(data.with_examples([]), SIZE)
