"""`predictions.npz` comes back as it went; nothing in it is unpickled."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lensmith.errors import ModelFileError
from lensmith.runs.predictions import Predictions, read_predictions

COUNT = 7
LOGITS = np.random.default_rng(0).normal(size=(COUNT, 3)).astype(np.float32)


def predictions(**other: Any) -> Predictions:
    columns: dict[str, Any] = {
        "ids": np.array([f"{i:064x}" for i in range(COUNT)]),
        "targets": np.arange(COUNT) % 3,
        "logits": LOGITS,
        "splits": np.full(COUNT, "val"),
        "files": np.array([f"pets/größe 🐈\n{i}.jpg" for i in range(COUNT)]),
    }
    return Predictions(**{**columns, **other})


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"targets": np.random.default_rng(1).integers(0, 2, (COUNT, 3))},
        {"targets": np.linspace(0, 1, COUNT)},
        {"logits": np.full((COUNT, 3), [np.nan, np.inf, -np.inf], np.float32)},
        {"files": np.array(["caf\udce9.jpg"] * COUNT)},
    ],
)
def test_through_a_file_and_back(other: dict[str, Any], tmp_path: Path) -> None:
    went = predictions(**other)
    went.write(tmp_path / "deep" / "predictions.npz")
    came = read_predictions(tmp_path / "deep" / "predictions.npz")
    for name, column in vars(went).items():
        back = getattr(came, name)
        assert back.dtype == column.dtype
        np.testing.assert_array_equal(back, column)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["predictions.npz"]


def test_no_picture_at_all(tmp_path: Path) -> None:
    none = Predictions(*(column[:0] for column in vars(predictions()).values()))
    none.write(tmp_path / "p.npz")
    assert read_predictions(tmp_path / "p.npz").logits.shape == (0, 3)


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("which", ["id", "logits"])
def test_a_pickle_inside_is_refused_and_not_run(which: str, tmp_path: Path) -> None:
    mark = tmp_path / "sprung"
    good = predictions()
    arrays: dict[str, Any] = {
        "id": good.ids,
        "target": good.targets,
        "logits": good.logits,
        "split": good.splits,
        "path": good.files,
        which: np.array([Trap(mark)] * COUNT, dtype=object),
    }
    np.savez(tmp_path / "p.npz", **arrays)
    with pytest.raises(ModelFileError, match="no predictions can be read there"):
        read_predictions(tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz", allow_pickle=True) as opened:
        opened[which]
    assert mark.exists(), "the trap works, for whoever steps into it"


def plain_npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    return buffer.getvalue()


def other_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("id.npy", b"not an array")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"\x80\x04K\x01.",
        plain_npy(),
        other_zip(),
        b"PK\x05\x06" + bytes(18),
        b"PK\x03\x04" + bytes(99),
    ],
    ids=["empty", "text", "pickle", "npy", "zip", "empty zip", "half zip"],
)
def test_other_files_are_refused_by_name(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "predictions.npz"
    file.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        read_predictions(file)
    assert str(file) in caught.value.message


def test_missing_files_are_refused_by_name(tmp_path: Path) -> None:
    for place in (tmp_path / "gone.npz", tmp_path):
        with pytest.raises(ModelFileError, match="no predictions can be read there"):
            read_predictions(place)


def test_columns_of_different_length_are_refused(tmp_path: Path) -> None:
    predictions(logits=LOGITS[:-1]).write(tmp_path / "p.npz")
    with pytest.raises(ModelFileError, match="differ in length"):
        read_predictions(tmp_path / "p.npz")


def test_damage_anywhere_is_refused_or_harmless(tmp_path: Path) -> None:
    file = tmp_path / "p.npz"
    good = predictions()
    good.write(file)
    content = file.read_bytes()
    refused = 0
    for place in range(0, len(content), 13):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        file.write_bytes(damaged)
        try:
            np.testing.assert_array_equal(read_predictions(file).logits, good.logits)
        except ModelFileError:
            refused += 1
    assert refused > len(content) / 13 * 0.8
    for share in (0.2, 0.5, 0.99):
        file.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ModelFileError):
            read_predictions(file)
