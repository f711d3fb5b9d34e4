"""A folder per class: every file is used or skipped with a reason, and classes go by name."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn import accounted, draw, draw_classes, encoded, noise, reasons, tree_hash
from PIL import Image

from lensmith.data.sources import load_data
from lensmith.data.splitting import assign_roles
from lensmith.errors import DataError, UsageError


def test_a_folder_per_class(tmp_path: Path) -> None:
    root = draw_classes(tmp_path / "pets", dogs=3, cats=2)
    before = tree_hash(tmp_path)
    data = load_data(root)
    assert (len(data), data.classes, data.name, data.splits) == (5, ["cats", "dogs"], "pets", ())
    assert data.targets == [0, 0, 1, 1, 1]
    assert data.counts() == {"cats": 2, "dogs": 3}
    image, target = data[4]
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size, target) == ("RGB", (32, 24), 1)
    assert (np.array(image) == data.pixels(4)).all()
    assert [e.source for e in load_data(str(root)).examples] == [e.source for e in data.examples]
    assert accounted(data, root)
    assert tree_hash(tmp_path) == before


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train", "val"), ("train", "val")),
        (("train", "test"), ("train", "test")),
        (("train", "val", "test"), ("train", "val", "test")),
        (("Training", "VALID", "testing"), ("train", "val", "test")),
        (("train", "validation"), ("train", "val")),
        (("train", "dev"), ("train", "val")),
    ],
)
def test_splits_on_top(names: tuple[str, ...], splits: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        draw_classes(tmp_path / name, ants=2, bees=3)
    data = load_data(tmp_path)
    assert data.splits == splits
    assert data.classes == ["ants", "bees"]
    assert [example.split for example in data.examples] == [split for split in splits for _ in range(5)]
    for split, name in zip(splits, names, strict=True):
        assert all(Path(str(e.source)).is_relative_to(tmp_path / name) for e in data.split(split).examples)
    assert accounted(data, tmp_path)
    with pytest.raises(UsageError, match="no split 'holdout'") as caught:
        data.split("holdout")
    assert "train" in caught.value.hint


@pytest.mark.fault(19)
def test_a_held_out_split_that_lacks_a_class_goes_by_name(tmp_path: Path) -> None:
    """What ImageFolder gets wrong: its val/dog would be class 0, which is cat in train."""
    draw_classes(tmp_path / "train", cat=2, dog=2, fox=2)
    draw_classes(tmp_path / "val", dog=1, fox=1)
    held_out = load_data(tmp_path).split("val")
    assert held_out.classes == ["cat", "dog", "fox"]
    named = [held_out.words(target) for target in held_out.targets]
    assert named == [Path(str(e.source)).parent.name for e in held_out.examples] == ["dog", "fox"]
    assert held_out.counts() == {"cat": 0, "dog": 1, "fox": 1}


@pytest.mark.parametrize("extra", ["wolf", "Cat"])
def test_a_held_out_class_that_training_lacks_is_an_error(extra: str, tmp_path: Path) -> None:
    draw_classes(tmp_path / "train", cat=2, dog=2)
    draw_classes(tmp_path / "val", cat=1, dog=1, **{extra: 1})
    with pytest.raises(DataError, match=f"class '{extra}' is in val but not in train") as caught:
        load_data(tmp_path)
    assert "train has cat, dog" in caught.value.hint


SYSTEM = [
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
    "._cats",
    ".git/objects/aa.png",
    ".ipynb_checkpoints/0-checkpoint.png",
    "__MACOSX/cats/._0.png",
    "__MACOSX/cats/1.png",
    "cats/.DS_Store",
    "cats/Thumbs.db",
    "cats/.hidden.png",
    "cats/.ipynb_checkpoints/0-checkpoint.png",
    "cats/.thumbnails/0.png",
    "cats/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg",
    "cats/__MACOSX/2.png",
    "cats/deep/.cache/deeper/2.png",
]


@pytest.mark.fault(20)
@pytest.mark.parametrize("split", ["", "train"])
def test_files_of_the_system_are_no_pictures_wherever_they_lie(split: str, tmp_path: Path) -> None:
    root = tmp_path / "pets"
    top = draw_classes(root / split, cats=2, dogs=2)
    for number, name in enumerate(SYSTEM):
        file = draw(tmp_path / "any.png", 100 + number)
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        file.rename(top / name)
    data = load_data(root)
    assert (len(data), data.classes) == (4, ["cats", "dogs"])
    assert reasons(data, top) == dict.fromkeys(SYSTEM, "a file of the system, not a picture")
    assert accounted(data, root)


def test_every_file_beside_the_splits_is_told(tmp_path: Path) -> None:
    for name in ("train", "val"):
        draw_classes(tmp_path / name, cats=2, dogs=2)
    draw_classes(tmp_path / "old", cats=1)
    draw(tmp_path / "cover.png")
    draw(tmp_path / "train" / "loose.png")
    (tmp_path / "notes.csv").write_text("a,b\n")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    data = load_data(tmp_path)
    assert len(data) == 8
    assert accounted(data, tmp_path)
    assert reasons(data, tmp_path) == {
        ".DS_Store": "a file of the system, not a picture",
        "cover.png": "beside the splits",
        "notes.csv": "beside the splits",
        str(Path("old/cats/0.png")): "beside the splits",
        str(Path("train/loose.png")): "not in a class folder",
    }
    assert "old" in data.notes[0]


def test_of_two_names_for_a_split_the_plain_one_counts(tmp_path: Path) -> None:
    for name in ("train", "val", "valid", "dev"):
        draw_classes(tmp_path / name, cats=2, dogs=2)
    data = load_data(tmp_path)
    assert {Path(str(e.source)).parts[-3] for e in data.split("val").examples} == {"val"}
    assert data.notes == ("beside the splits, not used: dev, valid",)
    assert accounted(data, tmp_path)


def test_a_file_is_taken_by_what_it_holds(tmp_path: Path) -> None:
    draw_classes(tmp_path, cats=1, dogs=1)
    still = encoded(noise())
    files = {
        "no_suffix": still,
        "really.gif": still,
        "really.heic": still,
        "photo.JPG": still,
        "moving": encoded(noise(), "GIF"),
        "new.avif": encoded(noise(), "AVIF"),
        "phone.heic": b"\0\0\0\x18ftypheic" + bytes(99),
        "notes.txt": b"hello",
        "annotation.xml": b"<xml/>",
        "empty": b"",
    }
    for name, content in files.items():
        (tmp_path / "cats" / name).write_bytes(content)
    data = load_data(tmp_path)
    used = {Path(str(e.source)).name for e in data.examples}
    assert used == {"0.png", "no_suffix", "really.gif", "really.heic", "photo.JPG"}
    told = {Path(name).name: reason for name, reason in reasons(data, tmp_path).items()}
    assert "predict takes its first frame" in told.pop("moving")
    assert told.pop("new.avif").startswith("AVIF")
    assert told.pop("phone.heic").startswith("HEIC")
    assert set(told.values()) == {"not a picture"}
    assert accounted(data, tmp_path)


@pytest.mark.fault(18)
def test_pictures_at_any_depth_belong_to_the_class_on_top(tmp_path: Path) -> None:
    draw_classes(tmp_path, cats=1, dogs=1)
    draw(tmp_path / "cats/2024/summer/beach.png")
    very_deep = tmp_path / "dogs" / Path(*["d"] * 150)
    very_deep.mkdir(parents=True)
    draw(very_deep / "bottom.png")
    data = load_data(tmp_path)
    assert data.counts() == {"cats": 2, "dogs": 2}
    assert accounted(data, tmp_path)


ODD_NAMES = [
    "größe 猫",
    "emoji 🐈",
    "new\nline",
    "quote'\"",
    "per%cent",
    " space ",
    "-dash",
    "a" * 200,
    "[x]*?",
]


@pytest.mark.fault(15)
@pytest.mark.skipif(sys.platform == "win32", reason="most of these names cannot be there")
def test_odd_names_are_names(tmp_path: Path) -> None:
    for name in ODD_NAMES:
        draw_classes(tmp_path, **{name: 1})
        draw(tmp_path / name / f"{name}.png", len(name))
    latin = ["caf\udce9"] if sys.platform == "linux" else []  # elsewhere names are Unicode
    for name in latin:
        draw_classes(tmp_path, **{name: 2})
        (tmp_path / name / "\udcff.txt").write_text("x")
    data = load_data(tmp_path)
    assert data.classes == sorted([*ODD_NAMES, *latin])
    assert accounted(data, tmp_path)
    assert data.split("train").classes == data.classes
    assert len(data.fingerprint) == 64
    assert repr(data)
    assert "<table>" in data._repr_html_()
    assert (data.pixels(0) > 0).any()


def test_markup_in_a_class_name_is_text(tmp_path: Path) -> None:
    draw_classes(tmp_path, **{"<img src=x onerror=alert(1)>": 1, "b": 1})
    assert "<img" not in load_data(tmp_path)._repr_html_()


def test_loose_pictures_are_one_class_to_be_joined_to_others(tmp_path: Path) -> None:
    root = tmp_path / ".config" / "ants"  # the place is hidden, its pictures are not
    for name in ("a.png", "b.jpg", ".hidden.png"):
        draw(root / name)
    (root / "notes.txt").write_text("x")
    data = load_data(root)
    assert (data.classes, len(data)) == (["ants"], 2)
    assert accounted(data, root)
    both = data + load_data(draw_classes(tmp_path, bees=2) / "bees")
    assert [both.words(target) for target in both.targets] == ["ants", "ants", "bees", "bees"]


def test_pictures_loose_in_a_split_get_the_hint_that_helps(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "a.png")
    with pytest.raises(DataError, match="no pictures in it") as caught:
        load_data(tmp_path)
    assert "lie loose" in caught.value.hint
    assert f"{tmp_path}/cats/" in caught.value.hint


def test_nothing_there_says_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "dogs").mkdir()
    with pytest.raises(DataError, match="no pictures in it") as caught:
        load_data(tmp_path)
    assert "a folder per class" in caught.value.hint


@pytest.mark.fault(18)
def test_an_empty_class_folder_is_told(tmp_path: Path) -> None:
    draw_classes(tmp_path / "train", cats=2, dogs=2, birds=0)
    data = load_data(tmp_path)
    assert data.classes == ["cats", "dogs"]
    assert any("birds" in note for note in data.notes)


def test_no_such_folder_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "hymenoptera_data").mkdir()
    with pytest.raises(DataError, match="hymenoptera-data: no such folder") as caught:
        load_data(tmp_path / "hymenoptera-data")
    assert str(tmp_path / "hymenoptera_data") in caught.value.hint
    with pytest.raises(DataError) as caught:
        load_data(tmp_path / "zzz")
    assert str(tmp_path) in caught.value.hint
    with pytest.raises(DataError) as caught:
        load_data(tmp_path / "yyy" / "zzz")
    assert f"There is no {tmp_path / 'yyy'}" in caught.value.hint


def test_a_picture_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.png: "):
        load_data(draw(tmp_path / "a.png"))


def test_one_class_cannot_be_learnt(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one class to learn \(cats\)") as caught:
        assign_roles(load_data(draw_classes(tmp_path, cats=5)))
    assert "folder of its own" in caught.value.hint


def test_a_folder_wins_over_a_sample_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(load_data("digits")) == 1797
    draw_classes(tmp_path / "digits", one=1, two=1)
    assert len(load_data("digits")) == 2


@pytest.mark.parametrize("collects", [True, False])
def test_reading_a_folder_leaves_the_collector_as_it_was(tmp_path: Path, collects: bool) -> None:
    """It is held while everything is listed, in trouble too."""
    root = draw_classes(tmp_path / "pets", cats=2, dogs=2)
    (tmp_path / "empty").mkdir()
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        assert len(load_data(root)) == 4
        with pytest.raises(DataError):
            load_data(tmp_path / "empty")
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()
