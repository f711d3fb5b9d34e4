"""Downloads from a real server on this machine: whole under their name, or not there at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from weights_server import WeightsServer, serving

from lensmith.errors import ModelFileError
from lensmith.models.fetch import fetch
from lensmith.types import Event

CONTENT = bytes(range(256)) * 10_000  # 2.56 MB
NAME = f"/net-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with serving() as server:
        server.files[NAME] = CONTENT
        yield server


def refused(url: str, path: Path) -> str:
    """The words of the error; the file must not be there, nor anything beside it."""
    with pytest.raises(ModelFileError) as caught:
        fetch(url, path)
    assert url in caught.value.message
    assert caught.value.message.endswith(f"put it at {path}")
    assert len(caught.value.message.splitlines()) == 1
    assert "weights=FILE" in caught.value.hint
    assert list(path.parent.iterdir() if path.parent.exists() else []) == []
    return caught.value.message


def test_a_file_comes_whole_into_a_new_folder(server: WeightsServer, tmp_path: Path) -> None:
    path = tmp_path / "hub/checkpoints" / NAME[1:]
    assert fetch(server.url + NAME, path) == path
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_progress_is_told_up_to_the_end(server: WeightsServer, tmp_path: Path) -> None:
    told: list[Event] = []
    fetch(server.url + NAME, tmp_path / NAME[1:], told.append)
    assert [(event.stage, event.done, event.total) for event in told] == [
        ("download", 1, 2),
        ("download", 2, 2),
        ("download", 2, 2),
    ]
    assert NAME[1:] in told[0].words


def test_a_server_that_says_no_length(server: WeightsServer, tmp_path: Path) -> None:
    server.says_length = False
    assert fetch(server.url + NAME, tmp_path / NAME[1:]).read_bytes() == CONTENT


@pytest.mark.parametrize("cut", [0, 1, 1 << 20, len(CONTENT) - 1])
def test_a_transfer_that_breaks_off_leaves_nothing(server: WeightsServer, cut: int, tmp_path: Path) -> None:
    server.cut_after = cut
    assert f"{cut:,} of 2,560,000 bytes came" in refused(server.url + NAME, tmp_path / NAME[1:])


def test_a_cut_without_a_length_is_seen_by_the_checksum(server: WeightsServer, tmp_path: Path) -> None:
    server.says_length, server.cut_after = False, 1000
    assert "its sha256 is" in refused(server.url + NAME, tmp_path / NAME[1:])


def test_another_content_is_refused(server: WeightsServer, tmp_path: Path) -> None:
    server.files[NAME] = b"<html>sign in</html>"
    assert f"not {NAME[5:13]}..." in refused(server.url + NAME, tmp_path / NAME[1:])


def test_a_name_without_a_checksum_is_taken_as_it_is(server: WeightsServer, tmp_path: Path) -> None:
    server.files["/model-best.bin"] = b"abc"
    assert fetch(server.url + "/model-best.bin", tmp_path / "model-best.bin").read_bytes() == b"abc"


def test_a_missing_file_is_said(server: WeightsServer, tmp_path: Path) -> None:
    assert "404" in refused(server.url + "/none.pth", tmp_path / "none.pth")


def test_no_server(tmp_path: Path) -> None:
    with serving() as server:
        url = server.url + NAME
    assert "refused" in refused(url, tmp_path / "hub" / NAME[1:])


def test_an_address_that_is_none(tmp_path: Path) -> None:
    refused("not an address", tmp_path / "a.pth")


def test_a_failed_download_leaves_an_older_file(server: WeightsServer, tmp_path: Path) -> None:
    path = tmp_path / NAME[1:]
    path.write_bytes(b"older")
    server.cut_after = 10
    with pytest.raises(ModelFileError):
        fetch(server.url + NAME, path)
    assert path.read_bytes() == b"older"
