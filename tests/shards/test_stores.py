"""Shards in a real S3 server, and in what else fsspec opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shard_servers import draw_photos, serving_s3
from shards_written import deal, ended

from lensmith.data.sources import load_data
from lensmith.errors import DataError, MachineError, UsageError
from lensmith.pictures.preprocess import Preprocess
from lensmith.shards import stores
from lensmith.store.store import open_column


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    deal(draw_photos(tmp_path / "data", 12), tmp_path / "shards", count=5)
    return tmp_path / "shards"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Any]:
    """An s3fs on a bucket `photos` that holds the shards under `dir/`."""
    monkeypatch.setattr(stores, "PAUSE", 0.01)
    with serving_s3(monkeypatch):
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        files = s3fs.S3FileSystem()
        files.mkdir("photos")
        for file in folder.iterdir():
            files.put(str(file), f"photos/dir/{file.name}")
        yield files
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.usefixtures("cache")
def test_a_bucket_is_as_good_as_a_folder(folder: Path, bucket: Any) -> None:
    here, there = load_data(folder), load_data("s3://photos/dir")
    assert (there.ids, there.targets, there.name) == (here.ids, here.targets, here.name)
    kept = ended(open_column(here, Preprocess(32)))
    again = ended(open_column(there, Preprocess(32)))
    assert again.from_store, "one column for the same shards, wherever they lie"
    fetched = ended(open_column(there, Preprocess(32), store=False))
    assert not fetched.from_store
    assert (fetched.pixels == kept.pixels).all()


def test_plain_shards_in_a_bucket_are_listed_and_passed_through(folder: Path, bucket: Any) -> None:
    bucket.rm("photos/dir/index.json")
    data = load_data("s3://photos/dir")
    assert sorted(data.ids) == sorted(load_data(folder).ids)
    assert len(load_data("s3://photos/dir/00000.tar")) == 5
    assert len(load_data("s3://photos/dir/{00000..00001}.tar")) == 10


def test_a_shard_that_changes_is_named(folder: Path, bucket: Any) -> None:
    named, plain = load_data("s3://photos/dir"), load_data("s3://photos/dir/00000.tar")
    content = bytearray((folder / "00000.tar").read_bytes())
    content[1000] ^= 1
    bucket.pipe("photos/dir/00000.tar", bytes(content))
    with pytest.raises(DataError, match=r"s3://photos/dir/00000.tar: the shard changed"):
        plain.pixels(0)
    with pytest.raises(DataError, match=r"00000.tar: the shard changed .*another sha256"):
        ended(open_column(named, Preprocess(32), store=False))
    bucket.pipe("photos/dir/00000.tar", bytes(content[:2000]))
    with pytest.raises(DataError, match=r"00000.tar"):
        ended(open_column(named, Preprocess(32), store=False))


@pytest.mark.parametrize("word", ["s3://photos/nothing", "s3://nobucket/dir"])
def test_what_is_not_there_is_an_error_that_names_it(bucket: Any, word: str) -> None:
    with pytest.raises(DataError, match=word):
        load_data(word)


def test_a_server_that_is_gone_is_an_error_and_no_skipped_picture(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_data("s3://photos/dir")
    failing = [OSError("connection reset")] * 2
    inner = data.examples[0].source.shard.place._files.cat_file

    def cat_file(*words: Any, **more: Any) -> Any:
        if failing:
            raise failing.pop()
        return inner(*words, **more)

    monkeypatch.setattr(data.examples[0].source.shard.place._files, "cat_file", cat_file)
    assert data.pixels(0).dtype == np.uint8, "two failures pass"
    failing += [OSError("connection reset")] * 100
    with pytest.raises(DataError, match=r"s3://photos/dir/0000\d.tar: cannot be read \(connection reset\)"):
        data.pixels(0)


def test_kinds_that_nobody_knows_or_that_lack_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(UsageError, match="nosuch://x"):
        load_data("nosuch://x")
    with pytest.raises(MachineError, match="gs://x needs gcsfs") as error:
        load_data("gs://x")
    assert error.value.hint == "pip install gcsfs"
