"""What lies on disk is whole and as it was written, or is refused by its name."""

from __future__ import annotations

import json
import os
import random
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from command_line import tree
from foreign_bundles import changed, members, refused, zipped
from small_nets import scene

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.bundle.facts import FACTS, GRAPH, WEIGHTS
from lensmith.errors import LensmithError, ModelFileError, UsageError


def flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


def flip_in(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(flip(content, int(len(content) * share)))


def test_a_lens_is_the_folder_as_one_uncompressed_zip(folder: Path, file: Path) -> None:
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == members(file)
    with zipfile.ZipFile(file) as archive:
        assert all(one.compress_type == zipfile.ZIP_STORED for one in archive.infolist())
        assert archive.namelist()[-1] == FACTS  # the digests come last


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_others_may_read_what_was_saved(folder: Path, file: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in (file, *folder.iterdir())} == {0o644}


@pytest.mark.parametrize("name", [WEIGHTS, GRAPH])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_one_flipped_bit_is_seen(name: str, share: float, folder: Path, file: Path) -> None:
    flip_in(folder / name, share)
    refused(folder, name, "damaged")
    place = file.read_bytes().index(members(file)[name]) / file.stat().st_size
    flip_in(file, place + share * len(members(file)[name]) / file.stat().st_size)
    refused(file)


@pytest.mark.parametrize("name", [WEIGHTS, GRAPH])
def test_a_missing_file_is_named(name: str, folder: Path, file: Path) -> None:
    (folder / name).unlink()
    refused(folder, f"lacks {name}", "copy it again")
    zipped(file, {n: c for n, c in members(file).items() if n != name})
    refused(file, f"lacks {name}")


def test_a_folder_or_zip_without_facts_is_no_bundle(folder: Path, file: Path) -> None:
    zipped(file, {n: c for n, c in members(file).items() if n != FACTS})
    refused(file, FACTS)
    (folder / FACTS).unlink()
    refused(folder)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_file_that_was_cut_off(share: float, file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    refused(file)


def test_a_compressed_zip_is_refused_unread(file: Path) -> None:
    zipped(file, members(file), zipfile.ZIP_DEFLATED)
    refused(file, "compressed zip")


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/../../x", "more.onnx", "a/graph.onnx"])
def test_a_member_that_is_no_part_is_refused_and_goes_nowhere(name: str, file: Path, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    file = file.rename(inside / file.name)
    zipped(file, {**members(file), name: b"x"})
    before = tree(tmp_path)
    refused(file, name)
    assert tree(tmp_path) == before
    # Named in the facts, one elsewhere is no better.
    contents = members(file)
    facts = json.loads(contents[FACTS])
    facts["files"][name] = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    zipped(file, {**contents, FACTS: json.dumps(facts).encode()})
    refused(file, name)


def test_a_folder_reads_no_file_outside_of_itself(folder: Path) -> None:
    (folder.parent / "secret").write_bytes(b"x")
    changed(folder, lambda facts: facts["files"].update({"../secret": "0" * 64}))
    refused(folder, "damaged")


def test_members_with_a_password_are_refused(file: Path) -> None:
    """Python's zipfile raises RuntimeError for these."""
    content = bytearray(file.read_bytes())
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = content.index(mark)
        while start >= 0:
            content[start + place] |= 1
            start = content.find(mark, start + 4)
    file.write_bytes(bytes(content))
    refused(file)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": "ant"},
        {"classes": ["ant", 2, "cat"]},
        {"classes": None},
        {"preprocess": None},
        {"preprocess": [16]},
        {"preprocess": {"size": "large"}},
        {"preprocess": {"size": [16]}},
        {"preprocess": {"size": 16, "newer": 1}},
        {"preprocess": {"size": 16, "mean": ["a", "b", "c"]}},
        {"temperature": "warm"},
        {"temperature": 0},
        {"temperature": float("nan")},
        {"threshold": None},
        {"threshold": float("nan")},
        {"files": []},
        {"files": {}},
        {"files": {WEIGHTS: 5}},
        {"report": 7},
        {"provenance": "me"},
        {"model": ["x"]},
        {"task": 1},
        {"something": "newer"},
        {"classes": ["ant", "bee", "ant"]},
        {"classes": []},
        {"task": "detection"},
        {"precision": "bfloat16"},
        {"temperature": True},
        {"threshold": 1.5},
        {"preprocess": {"size": [16, 16, 16]}},
        {"preprocess": {"size": [16.5, 16]}},
        {"preprocess": {"size": [10**9, 10**9]}},
        {"preprocess": {"size": 16, "resize": 10**9}},
        {"preprocess": {"size": 16, "fill": [0, 0, 300]}},
        {"preprocess": {"size": 16, "std": [1, 1, 0]}},
        {"format": True},
        {"format": 1.0},
        {"format": "1"},
        {"format": 0},
    ],
    ids=str,
)
def test_facts_of_another_type_are_refused(change: dict[str, Any], folder: Path) -> None:
    changed(folder, lambda facts: facts.update(change))
    refused(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b'"x"', b"[" * 99_999])
def test_facts_that_are_no_object_are_refused(content: bytes, folder: Path, file: Path) -> None:
    (folder / FACTS).write_bytes(content)
    refused(folder)
    zipped(file, {**members(file), FACTS: content})
    refused(file)


def test_facts_that_do_not_fit_the_graph_are_told_when_it_runs(folder: Path) -> None:
    """As when somebody edits the size of the pictures by hand."""
    whole = (folder / FACTS).read_bytes()
    changed(folder, lambda facts: facts["preprocess"].update(size=[8, 8]))
    with pytest.raises(ModelFileError, match=r"cannot run the graph(.|\n)*Got: 8 Expected: 16"):
        load_model(folder).predict(scene(20, 20))
    (folder / FACTS).write_bytes(whole)
    changed(folder, lambda facts: facts["classes"].pop())
    with pytest.raises(ModelFileError, match="3 outputs and 2 class names"):
        load_model(folder).predict(scene(20, 20))


def test_a_newer_format_says_what_to_do(folder: Path) -> None:
    changed(folder, lambda facts: facts.update(format=2, of_tomorrow=True))
    refused(folder, "bundle format 2, and this lensmith reads 1", "pip install -U lensmith")


@pytest.mark.parametrize("seed", range(8))
def test_whatever_byte_is_hit_it_is_refused_or_still_right(seed: int, bundle: Bundle, file: Path) -> None:
    rng, whole = random.Random(seed), file.read_bytes()
    edges = [*range(60), *range(len(whole) - 400, len(whole))]
    for _ in range(60):
        place = rng.choice([rng.choice(edges), rng.randrange(len(whole))])
        damaged = whole[:place] + bytes([rng.randrange(256)]) + whole[place + rng.choice([0, 1, 1, 40]) :]
        file.write_bytes(damaged)
        try:
            opened = load_model(file)
        except ModelFileError as error:
            assert str(file) in error.message
        else:
            assert opened.sha256 == bundle.sha256 and opened.files == bundle.files


@pytest.mark.parametrize("seed", range(4))
def test_facts_that_were_scribbled_on_raise_nothing_else(seed: int, folder: Path) -> None:
    rng, whole = random.Random(seed), (folder / FACTS).read_bytes()
    for _ in range(60):
        place, length = rng.randrange(len(whole)), rng.choice([0, 1, 3])
        scribble = bytes(rng.choices(b'0123456789-.{}[]",:null\\e', k=rng.choice([0, 1, 2])))
        (folder / FACTS).write_bytes(whole[:place] + scribble + whole[place + length :])
        try:
            load_model(folder).predict(scene(20, 20))
        except LensmithError as error:
            assert error.message


@pytest.mark.parametrize("name", ["none.lens", "none", "a.lens/model"])
def test_a_bundle_that_is_not_there(name: str, tmp_path: Path) -> None:
    refused(tmp_path / name)


@pytest.mark.parametrize("name", ["notes.txt", "photo.jpg", "weights.pt"])
def test_another_file_is_no_bundle(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04 of something else")
    refused(tmp_path / name)


def test_saving_over_an_older_bundle_replaces_it_whole(bundle: Bundle, folder: Path, file: Path) -> None:
    warm = bundle.with_facts(temperature=3.0)
    for place in (folder, file):
        (folder / GRAPH).unlink(missing_ok=True)  # as of one that could not be traced
        warm.save(place)
        assert load_model(place).sha256 == warm.sha256
    assert sorted(path.name for path in folder.parent.iterdir()) == ["model", "net.lens"]


def test_nothing_of_a_person_is_replaced_by_a_bundle(bundle: Bundle, folder: Path) -> None:
    """Not a folder of pictures, not the home folder, not a bundle with notes beside it."""
    photos = folder.parent / "photos"
    photos.mkdir()
    (photos / "holiday.jpg").write_bytes(b"x")
    (folder / "notes.txt").write_text("keep")
    before = tree(folder.parent)
    for place in (photos, folder, folder.parent):
        with pytest.raises(UsageError, match=r"no part of a bundle\n.*\.lens"):
            bundle.save(place)
    assert tree(folder.parent) == before


def test_an_empty_folder_takes_a_bundle(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    assert load_model(bundle.save(tmp_path / "new")).sha256 == bundle.sha256
    assert load_model(bundle.save(tmp_path / "deep/er/one.lens")).sha256 == bundle.sha256


@pytest.mark.parametrize("name", ["file/net.lens", "file/model", "folder.lens", "file"])
def test_a_place_that_cannot_be_written_is_named(name: str, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.lens").mkdir()
    with pytest.raises(UsageError, match="cannot be written") as caught:
        bundle.save(tmp_path / name)
    assert str(tmp_path / name) in caught.value.message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.lens"]


def test_a_link_to_a_bundle_is_as_good(bundle: Bundle, folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert load_model(link).sha256 == bundle.sha256
    bundle.with_facts(threshold=0.9).save(link)
    assert link.is_symlink() and load_model(folder).facts.threshold == 0.9


def test_a_copy_elsewhere_is_the_same_bundle(bundle: Bundle, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "elsewhere/ä b")
    assert load_model(tmp_path / "elsewhere/ä b").predict(scene(30, 20)) == bundle.predict(scene(30, 20))
