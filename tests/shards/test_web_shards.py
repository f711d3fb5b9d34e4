"""Shards behind a real HTTP server, with and without its failings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shard_servers import ShardServer, draw_photos, serving_folder
from shards_written import deal

from lensmith.data.sources import load_data
from lensmith.errors import DataError
from lensmith.pictures.preprocess import Preprocess
from lensmith.shards import web
from lensmith.store.store import Column, decode_column

COUNT = 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    deal(draw_photos(tmp_path / "data", COUNT), tmp_path / "shards", count=9)
    return tmp_path / "shards"


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShardServer]:
    monkeypatch.setattr(web, "PAUSE", 0.01)
    with serving_folder(folder) as server:
        yield server


def column_of(source: object) -> Column:
    going = decode_column(load_data(str(source)), Preprocess(32))
    while True:
        try:
            next(going)
        except StopIteration as end:
            column: Column = end.value
            return column


def test_they_are_the_same_as_in_a_folder_in_few_requests(folder: Path, server: ShardServer) -> None:
    here, there = load_data(folder), load_data(server.url)
    assert (there.ids, there.targets, there.classes) == (here.ids, here.targets, here.classes)
    assert (there.fingerprint, there.skipped) == (here.fingerprint, ())
    assert (column_of(server.url).pixels == column_of(folder).pixels).all()
    pictures = [asked for path, asked in server.asked if path.endswith(".tar") and asked]
    assert len(pictures) == 6, (
        "for each shard one to know what its pictures are like, and one for all of them"
    )


def test_a_server_without_ranges_gives_each_shard_once(folder: Path) -> None:
    with serving_folder(folder, ranges=False) as server:
        assert (column_of(server.url).pixels == column_of(folder).pixels).all()
        asked = [path for path, _ in server.asked if path.endswith(".tar")]
    assert len(asked) <= 3 + 3 + 8, "each once, and what was under way when it became known"
    assert {path: asked.count(path) for path in asked}.keys() == {f"/0000{n}.tar" for n in range(3)}


def test_what_broke_off_goes_on_where_it_ended(folder: Path, server: ShardServer) -> None:
    data = load_data(server.url)
    source = data.examples[0].source
    server.asked.clear()
    server.breaks = [100, 0, 50, 0, 0, 1]
    assert source.read() == load_data(folder).examples[0].source.read()
    starts = [int(asked.removeprefix("bytes=").split("-")[0]) - source.offset for _, asked in server.asked]
    assert starts == [0, 100, 100, 150, 150, 150, 151]


def test_a_server_that_is_busy_is_asked_again(server: ShardServer, folder: Path) -> None:
    server.busy = 3
    data = load_data(server.url)
    server.busy = web.TRIES - 1
    assert data.pixels(5).shape == load_data(folder).pixels(5).shape


def test_a_server_that_stays_away_is_an_error_and_no_skipped_picture(server: ShardServer) -> None:
    data = load_data(server.url)
    server.breaks = [0] * 100
    with pytest.raises(DataError, match=r"0000\d.tar: cannot be fetched, after 5 tries"):
        _ = data.pixels(0)
    server.breaks = []
    server.busy = 1000
    going = decode_column(data, Preprocess(32))
    with pytest.raises(DataError, match="the server answers 503"):
        list(going)


def test_one_that_is_far_too_slow_is_given_up(server: ShardServer, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_data(server.url)
    monkeypatch.setattr(web, "SECONDS", 0.15)
    monkeypatch.setattr(web, "TRIES", 2)
    server.pause = 30.0
    with pytest.raises(DataError, match="cannot be fetched, after 2 tries"):
        data.pixels(0)


def test_one_that_is_slow_is_waited_for(server: ShardServer, folder: Path) -> None:
    data = load_data(server.url)
    server.pause = 0.05
    assert (data.pixels(0) == load_data(folder).pixels(0)).all()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_shard_of_another_size_is_named(folder: Path, server: ShardServer, ranges: bool) -> None:
    server.ranges = ranges
    data = load_data(server.url)
    name = data.examples[0].source.shard.name
    (folder / name).write_bytes((folder / name).read_bytes() + bytes(512))
    with pytest.raises(DataError, match=f"{name}: the shard changed"):
        data.pixels(0)


def test_a_shard_with_other_pictures_is_named(folder: Path, server: ShardServer) -> None:
    data = load_data(server.url)
    member = data.examples[0].source
    content = bytearray((folder / member.shard.name).read_bytes())
    content[member.offset + 300] ^= 1
    (folder / member.shard.name).write_bytes(content)
    with pytest.raises(DataError, match=f"{member.shard.name}: the shard changed .*another sha256"):
        list(decode_column(data, Preprocess(32)))


def test_without_an_index_they_are_named_by_braces_and_checked_by_their_tag(
    folder: Path, server: ShardServer
) -> None:
    (folder / "index.json").unlink()
    with pytest.raises(DataError, match="a web server lists no files"):
        load_data(server.url)
    data = load_data(f"{server.url}/{{00000..00002}}.tar")
    assert len(data) == COUNT
    assert sorted(data.ids) == sorted(load_data(folder).ids)
    server.tag = '"2"'
    with pytest.raises(DataError, match="the shard changed"):
        data.pixels(0)
    with pytest.raises(DataError, match=r"00003.tar: the server answers 404"):
        load_data(f"{server.url}/00003.tar")


def test_nobody_there_is_an_error_that_names_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PAUSE", 0.0)
    with pytest.raises(DataError, match=r"http://127.0.0.1:1/index.json: cannot be fetched"):
        load_data("http://127.0.0.1:1/")
