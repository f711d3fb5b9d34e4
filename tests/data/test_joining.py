"""`ImageDataset` as a value: identity, joining by class name, and splits that survive a join."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from drawn import draw, draw_classes

from lensmith.data.dataset import Example, ImageDataset
from lensmith.data.sources import load_data
from lensmith.data.splitting import assign_roles
from lensmith.errors import DataError


def named(data: ImageDataset) -> list[str]:
    return [data.words(target) for target in data.targets]


def test_plus_goes_by_class_name(tmp_path: Path) -> None:
    one = load_data(draw_classes(tmp_path / "one", ants=1, bees=2))
    two = load_data(draw_classes(tmp_path / "two", bees=1, cats=2))
    (tmp_path / "two" / "bees" / "notes.txt").write_text("x")
    two = load_data(tmp_path / "two")
    both = one + two
    assert both.classes == ["ants", "bees", "cats"]
    assert named(both) == ["ants", "bees", "bees", "bees", "cats", "cats"]
    assert both.skipped == two.skipped
    assert (both.name, len(both)) == ("one+two", 6)
    assert (both.pixels(4) == two.pixels(1)).all()
    assert named(one) == ["ants", "bees", "bees"], "the parts stay what they were"
    with pytest.raises(TypeError):
        one + 1


def test_plus_of_several_labels_and_of_numbers(tmp_path: Path) -> None:
    file = draw(tmp_path / "a.png")
    one = ImageDataset([Example(file, (0, 1))], ["day", "sea"], task="multilabel")
    two = ImageDataset([Example(file, (0,)), Example(file, (1, 0))], ["sea", "night"], task="multilabel")
    assert [tuple(sorted(both.split(", "))) for both in named(one + two)] == [
        ("day", "sea"),
        ("sea",),
        ("night", "sea"),
    ]
    price = ImageDataset([Example(file, 3.5)], [], task="regression")
    assert (price + price).targets == [3.5, 3.5]
    assert price.counts() == {}
    with pytest.raises(DataError, match="cannot be joined"):
        one + price


@pytest.mark.parametrize("split_first", [True, False])
def test_pictures_without_a_split_do_not_vanish_beside_some_with(split_first: bool, tmp_path: Path) -> None:
    for name in ("train", "val"):
        draw_classes(tmp_path / "split" / name, ants=2, bees=2)
    with_splits = load_data(tmp_path / "split")
    without = load_data(draw_classes(tmp_path / "more", ants=3))
    both = with_splits + without if split_first else without + with_splits
    assert len(both.split("train")) == 7
    assert len(both.split("val")) == 4
    roles = assign_roles(both)
    assert len(roles.train) + len(roles.held_out) == len(both)
    assert {str(e.source) for e in roles.held_out.examples} == {
        str(e.source) for e in with_splits.split("val").examples
    }


def test_ids_are_of_bytes_and_the_fingerprint_of_pictures_and_names(tmp_path: Path) -> None:
    data = load_data(draw_classes(tmp_path / "a", ants=2, bees=2))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "ants" / "0.png").rename(tmp_path / "b" / "ants" / "zzz.png")
    moved = load_data(tmp_path / "b")
    assert moved.ids != data.ids
    assert sorted(moved.ids) == sorted(data.ids)
    assert moved.fingerprint == data.fingerprint
    (tmp_path / "b" / "ants").rename(tmp_path / "b" / "wasps")
    assert load_data(tmp_path / "b").fingerprint != data.fingerprint
    assert load_data(draw_classes(tmp_path / "c", 1, ants=2, bees=2)).fingerprint != data.fingerprint


def test_a_data_set_can_be_gone_through_and_shows_itself(tmp_path: Path) -> None:
    data = load_data(draw_classes(tmp_path, ants=2, bees=1))
    assert [target for _, target in data] == [0, 0, 1]
    assert data[-1][1] == 1
    with pytest.raises(IndexError):
        data[3]
    assert "3 pictures" in repr(data)
    assert "<td>bees</td><td>1</td>" in data._repr_html_()
