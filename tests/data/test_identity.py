"""What identifies a picture is found once, however many there are and whoever reads them."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest
from drawn import draw_classes, noise

from lensmith.data import identity
from lensmith.data.identity import pixels_id
from lensmith.data.sources import load_data
from lensmith.machine import forked


@pytest.fixture(params=["threads", "processes", "children that die"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the files."""
    if request.param == "threads":
        return
    if sys.platform != "linux":
        pytest.skip("processes are forked on Linux alone")
    monkeypatch.setattr(identity, "FEWEST", 1)
    monkeypatch.setattr(forked, "cores", lambda: 2)
    if request.param == "children that die":
        monkeypatch.setattr(identity.Digests, "tell", lambda *_: os._exit(9))


@pytest.mark.usefixtures("ways")
def test_ids_are_those_of_the_files(tmp_path: Path) -> None:
    root = draw_classes(tmp_path / "pets", cats=90, dogs=90)
    (root / "cats" / "1.png").write_bytes((root / "dogs" / "1.png").read_bytes())
    (root / "cats" / "2.png").write_bytes(b"")
    (root / "cats" / "3.png").write_bytes(noise(300, 900).tobytes())
    data = load_data(root)
    gone = root / "dogs" / "9.png"
    gone.unlink()
    for example, found in zip(data.examples, data.ids, strict=True):
        file = Path(str(example.source))
        content = os.fsencode(file) if file == gone else file.read_bytes()
        assert found == hashlib.sha256(content).hexdigest() == example.sha256


def test_what_is_known_is_not_read_again(tmp_path: Path) -> None:
    root = draw_classes(tmp_path / "pets", cats=5, dogs=5)
    data = load_data(root)
    ids = data.ids
    for file in root.rglob("*.png"):
        file.unlink()
    assert data.part(lambda example: example.target == 0).ids == ids[:5]
    assert (data + data).ids == ids + ids
    assert data.with_examples(data.examples[::-1]).ids == ids[::-1]


def test_pixels_are_told_apart_by_their_shape() -> None:
    pixels = noise(24, 32)
    assert pixels_id(pixels) == hashlib.sha256(b"(24, 32, 3)" + pixels.tobytes()).hexdigest()
    assert pixels_id(pixels) != pixels_id(pixels.reshape(32, 24, 3))
    assert pixels_id(pixels[:, ::2]) == pixels_id(pixels[:, ::2].copy())
