"""Neighbours that somebody made to mislead: each file of them is refused by its name."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_bundles import changed, members, refused, zipped
from small_bundles import marking
from small_nets import scene

from lensmith.bundle import neighbour_file, storage
from lensmith.bundle.bundle import Bundle, load_model
from lensmith.bundle.facts import FACTS, NEIGHBOURS, digests
from lensmith.errors import ModelFileError, UsageError
from lensmith.exports.assembly import onnx_file

PLAIN = np.full((1, 16, 16, 3), 255, np.uint8)


@pytest.fixture(scope="module")
def marked(bundle: Bundle) -> Bundle:
    return marking(bundle)


@pytest.fixture
def place(marked: Bundle, tmp_path: Path) -> Path:
    return marked.save(tmp_path / "model")


def with_neighbours(folder: Path, content: bytes) -> None:
    """The bundle with another file of neighbours, its digest right."""
    (folder / NEIGHBOURS).write_bytes(content)
    changed(folder, lambda facts: facts["files"].update(digests({NEIGHBOURS: content})))


def tensor_file(rows: Any, columns: Any, content: bytes, *, name: str = "features", **more: Any) -> bytes:
    facts = {"dtype": "F16", "shape": [rows, columns], "data_offsets": [0, len(content)], **more}
    header = json.dumps({name: facts}).encode()
    return struct.pack("<Q", len(header)) + header + content


def test_what_was_saved_marks_as_before(marked: Bundle, place: Path, tmp_path: Path) -> None:
    marked.save(tmp_path / "net.lens")
    for path in (place, tmp_path / "net.lens"):
        opened = load_model(path)
        assert opened.sha256 == marked.sha256 and opened.neighbours is not None
        (said,) = opened.predict_prepared(PLAIN)
        assert said.unlike and not said.sure
        known = opened.predict_prepared(np.stack([scene(16, 16, 500 + seed) for seed in range(60)]))
        assert sum(one.unlike for one in known) < 8


def test_a_bundle_without_neighbours_keeps_its_identity(bundle: Bundle, marked: Bundle) -> None:
    assert "unlike_above" not in bundle.describe()
    assert marked.sha256 != bundle.sha256


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 8,
        b"\xff" * 40,
        tensor_file(2, 24, bytes(96))[:-1],
        tensor_file(2, 24, bytes(96)) + b"\0",
        tensor_file(2, 24, bytes(96), dtype="F32"),
        tensor_file(2, 24, bytes(96), name="others"),
        tensor_file(0, 24, b""),
        tensor_file(-2, -24, bytes(96)),
        tensor_file(2.0, 24, bytes(96)),
        tensor_file(True, 48, bytes(96)),
        tensor_file("2", 24, bytes(96)),
        tensor_file(2**40, 2**40, bytes(96)),
        tensor_file(2, 24, b"\0\x7c" + bytes(94)),  # infinity
        tensor_file(2, 24, b"\0\x7e" + bytes(94)),  # no number
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 900) + b"[" * 900,
    ],
    ids=range(18),
)
def test_a_file_that_is_no_neighbours(content: bytes, place: Path) -> None:
    with_neighbours(place, content)
    refused(place, NEIGHBOURS)


def test_neighbours_of_another_network_are_told_when_they_are_needed(place: Path, tmp_path: Path) -> None:
    with_neighbours(place, tensor_file(2, 7, bytes(28)))
    with pytest.raises(ModelFileError, match="7 features"):
        load_model(place).predict_prepared(PLAIN)


def test_a_graph_that_gives_no_features_is_told(marked: Bundle, place: Path) -> None:
    import onnx

    graph = onnx.load(place / "graph.onnx")
    del graph.graph.output[1]
    content = graph.SerializeToString()
    (place / "graph.onnx").write_bytes(content)
    changed(place, lambda facts: facts["files"].update(digests({"graph.onnx": content})))
    opened = load_model(place)
    for ask in (lambda: opened.predict_prepared(PLAIN), lambda: onnx_file(opened)):
        with pytest.raises(ModelFileError, match="features"):
            ask()


@pytest.mark.parametrize(
    "limit",
    [None, 0, -1, 2.5, True, "0.3", [0.3], 1e308],
    ids=str,
)
def test_a_limit_that_is_none(limit: Any, place: Path) -> None:
    changed(place, lambda facts: facts.update(unlike_above=limit))
    refused(place)


def test_one_without_the_other_is_refused(
    bundle: Bundle, marked: Bundle, place: Path, tmp_path: Path
) -> None:
    plain = bundle.save(tmp_path / "plain")
    changed(plain, lambda facts: facts.update(unlike_above=0.3))
    refused(plain, "unlike_above")
    changed(place, lambda facts: facts["files"].pop(NEIGHBOURS))
    refused(place, "unlike_above")
    with pytest.raises(UsageError, match="unlike_above"):
        bundle.with_facts(unlike_above=0.3)


def test_other_spellings_of_the_limit_are_one_identity(marked: Bundle, place: Path) -> None:
    changed(place, lambda facts: facts.update(unlike_above=1))
    one = load_model(place).sha256
    changed(place, lambda facts: facts.update(unlike_above=1.0))
    assert load_model(place).sha256 == one


def test_more_than_anybody_keeps_is_not_read(
    marked: Bundle, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (storage, neighbour_file):
        monkeypatch.setattr(module, "MOST_NEIGHBOURS", 2**10)
    refused(place, "more than")
    file = marked.save(tmp_path / "net.lens")
    refused(file, "more than")
    zipped(file, {name: content for name, content in members(file).items() if name != NEIGHBOURS})
    refused(file, f"lacks {NEIGHBOURS}")


def test_a_bundle_that_forgets_them_replaces_the_folder_whole(bundle: Bundle, place: Path) -> None:
    bundle.save(place)
    assert not (place / NEIGHBOURS).exists() and (place / FACTS).exists()
    assert not load_model(place).predict_prepared(PLAIN)[0].unlike
