"""Damaged weights files, and files that are none: an error that names the file, never another one."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from lensmith.errors import ModelFileError
from lensmith.models.foreign import read_state


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def torch_bytes(content: Any, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


FILES = {
    "state.pt": lambda: torch_bytes(net().state_dict()),
    "old-state.pt": lambda: torch_bytes(net().state_dict(), False),
    "whole.pt": lambda: torch_bytes(net()),
    "old-whole.pt": lambda: torch_bytes(net(), False),
    "weights.safetensors": lambda: save(net().state_dict()),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_anywhere_is_refused_by_name(name: str, tmp_path: Path) -> None:
    content, path = FILES[name](), tmp_path / name
    for length in [0, 1, 7, 8, 9, 20, *range(100, len(content) - 1, 97), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError) as caught:
            read_state(path)
        assert caught.value.message.startswith(f"{path}: "), length
        assert len(caught.value.message.splitlines()) == 1


@pytest.mark.parametrize("name", FILES)
def test_flipped_bits_end_in_tensors_or_in_our_error(name: str, tmp_path: Path) -> None:
    content, path, chance = FILES[name](), tmp_path / name, random.Random(0)
    for _ in range(150):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            state, _ = read_state(path)
        except ModelFileError as error:
            assert error.message.startswith(f"{path}: ")
        else:
            assert all(type(tensor) is Tensor for tensor in state.values())


def test_a_flipped_bit_within_the_numbers_of_a_zip_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    content = bytearray(torch_bytes({"w": torch.full((50, 50), 7.0)}))
    place = content.index(torch.full((50, 50), 7.0).numpy().tobytes())
    content[place + 1000] ^= 4
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)["w"].unique().numel() == 2, "torch does not see it"
    with pytest.raises(ModelFileError, match="Bad CRC"):
        read_state(path)


def test_a_zip_without_checksums_is_read(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        (tmp_path / "a.pt").write_bytes(torch_bytes(net().state_dict()))
    finally:
        torch.serialization.set_crc32_options(True)
    assert len(read_state(tmp_path / "a.pt")[0]) == 9


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>404</html>", "a web page, not weights"),
        (b"\n  <html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a pointer of Git LFS"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 99, "neither safetensors nor"),
        (b"\x00" * 4096, "neither safetensors nor"),
        (b"hello", "neither safetensors nor"),
        (b"\xff" * 8 + b"{" + b" " * 99, "neither safetensors nor"),
        (b"\x80\x02.", "no weights can be read"),
        (b"PK\x03\x04" + b"\x00" * 99, "no weights can be read"),
    ],
)
def test_other_files_are_called_what_they_are(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=words) as caught:
        read_state(path)
    assert caught.value.message.startswith(f"{path}: ")


def test_places_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="there is no such file"):
        read_state(tmp_path / "none.pt")
    with pytest.raises(ModelFileError, match="not a file"):
        read_state(tmp_path)


def test_another_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"x" * 100)
    with pytest.raises(ModelFileError, match="no weights can be read"):
        read_state(path)


def test_a_zip_that_swells_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10_000_000)
    with pytest.raises(ModelFileError, match="compressed"):
        read_state(path)
