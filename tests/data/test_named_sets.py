"""torchvision's data sets by name, from a copy on disk."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from command_line import command

from lensmith.data.sources import load_data
from lensmith.errors import DataError, UsageError


def write_mnist(root: Path) -> None:
    """The files that torchvision's MNIST reads: 20 pictures to train on, 10 to test."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, count in (("train", 20), ("t10k", 10)):
        pictures = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(
            struct.pack(">4i", 2051, count, 28, 28) + pictures.tobytes()
        )
        labels = (np.arange(count) % 10).astype(np.uint8)
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + labels.tobytes())


def test_a_copy_on_disk_is_read_with_its_splits_and_names(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    data = load_data("torchvision:MNIST", root=tmp_path)
    assert (len(data), data.splits, data.classes[3]) == (30, ("train", "test"), "3 - three")
    assert data.split("test").targets == [i % 10 for i in range(10)]
    assert data.split("train").pixels(7).shape == (28, 28, 3)
    assert int(data.split("train").pixels(7).max()) == 7


def test_a_name_that_torchvision_lacks_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"torchvision:CIFAR10\?"):
        load_data("torchvision:CIFAR11")


def test_an_empty_root_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"torchvision:CIFAR10 cannot be read from .*"):
        load_data("torchvision:CIFAR10", root=tmp_path)


def test_the_copy_is_named_from_the_shell(tmp_path: Path) -> None:
    write_mnist(tmp_path / "copies")
    trained = command(
        *("train", "torchvision:MNIST", "root=copies", "epochs=1", "batch_size=8", "model=tutorial_net"),
        *("image_size=28", "--json"),
        cwd=tmp_path,
    )
    assert trained.code == 0, trained.err
    assert trained.json["report"]["count"] == 10
    run = trained.json["run"]
    assert 'root = "copies"' in (tmp_path / run / "recipe.toml").read_text()
    seen = command("inspect", "torchvision:MNIST", "root=copies", "--json", cwd=tmp_path)
    assert seen.json["count"] == 30
    measured = command(
        "evaluate", run, "torchvision:MNIST", "root=copies", "--split", "test", "--json", cwd=tmp_path
    )
    assert measured.json["accuracy"] == trained.json["report"]["accuracy"]
    command("inspect", "torchvision:MNIST", "lr=1", cwd=tmp_path).refused(2, "lr=1.0 is for train", "root=")
    command("inspect", "copies", "root=copies", cwd=tmp_path).refused(2, "root=copies", "torchvision:")
