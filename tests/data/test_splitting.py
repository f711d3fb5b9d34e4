"""Splits: stratified, equal pictures together, stable, and one part that nothing is chosen on."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from drawn import draw, draw_classes

from lensmith.data.dataset import Example, ImageDataset
from lensmith.data.sources import load_data
from lensmith.data.splitting import assign_roles, make_splits
from lensmith.errors import DataError, UsageError


def files(root: Path, **counts: int) -> ImageDataset:
    """Files of different bytes (a split reads no pixels), a folder per class."""
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            (root / name / f"{number}.png").write_bytes(f"{name} {number}".encode())
    return load_data(root)


def sides(data: ImageDataset) -> dict[str, str]:
    return {str(example.source): example.split for example in data.examples}


def held_out(data: ImageDataset) -> set[str]:
    return {file for file, split in sides(data).items() if split == "val"}


def with_splits(data: ImageDataset, splits: Sequence[str]) -> ImageDataset:
    return data.with_examples([replace(e, split=s) for e, s in zip(data.examples, splits, strict=True)])


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.25, 0.5])
def test_every_class_gives_its_share(fraction: float, tmp_path: Path) -> None:
    data = files(tmp_path, many=200, some=40, few=8)
    split = make_splits(data, fraction)
    assert split.splits == ("train", "val")
    assert len(split) == 248
    for name, count in split.split("val").counts().items():
        found = data.counts()[name]
        assert abs(count - fraction * found) <= max(0.5, 0.25 * fraction * found) + 1e-9, name


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.9])
def test_two_pictures_in_a_class_are_one_to_learn_and_one_to_measure(fraction: float, tmp_path: Path) -> None:
    split = make_splits(files(tmp_path, pair=2, many=50), fraction)
    assert split.split("train").counts()["pair"] == 1
    assert split.split("val").counts()["pair"] == 1


def test_one_picture_in_a_class_is_learnt_from(tmp_path: Path) -> None:
    split = make_splits(files(tmp_path, single=1, many=20))
    assert split.split("train").counts()["single"] == 1


def test_equal_pictures_are_never_parted(tmp_path: Path) -> None:
    files(tmp_path, ants=30, bees=30)
    for number in range(30):
        for copy in range(number % 4):
            shutil.copy(tmp_path / "ants" / f"{number}.png", tmp_path / "ants" / f"copy {number} {copy}.png")
    data = load_data(tmp_path)
    for seed in range(5):
        split = make_splits(data, 0.3, seed)
        side: dict[str, str] = {}
        for identity, example in zip(data.ids, split.examples, strict=True):
            assert side.setdefault(identity, example.split) == example.split
        assert len(split.split("val")) > 10


def test_groups_are_never_parted(tmp_path: Path) -> None:
    data = files(tmp_path, ants=40, bees=40)
    grouped = data.with_examples([replace(e, group=f"patient {i % 10}") for i, e in enumerate(data.examples)])
    split = make_splits(grouped, 0.3)
    assert set(Counter((e.group, e.split) for e in split.examples).values()) == {8}
    assert 8 <= len(split.split("val")) <= 40


def test_the_order_of_the_files_decides_nothing(tmp_path: Path) -> None:
    files(tmp_path, ants=30, bees=30)
    for number in range(6):  # the same picture under two labels
        shutil.copy(tmp_path / "ants" / f"{number}.png", tmp_path / "bees" / f"ant {number}.png")
    data = load_data(tmp_path)
    wanted = sides(make_splits(data))
    for seed in range(5):
        mixed = list(data.examples)
        random.Random(seed).shuffle(mixed)
        assert sides(make_splits(data.with_examples(mixed))) == wanted


def test_names_and_places_decide_nothing_either(tmp_path: Path) -> None:
    data = files(tmp_path / "a", ants=30, bees=30)
    out = {Path(file).name for file in held_out(make_splits(data)) if "ants" in file}
    (tmp_path / "b" / "bees").mkdir(parents=True)
    shutil.copytree(tmp_path / "a" / "ants", tmp_path / "b" / "ants")
    (tmp_path / "b" / "bees" / "x.png").write_bytes(b"x")
    assert {Path(f).name for f in held_out(make_splits(load_data(tmp_path / "b"))) if "ants" in f} == out


def test_seeds_differ_and_repeat(tmp_path: Path) -> None:
    data = files(tmp_path, ants=40, bees=40)
    drawn = [held_out(make_splits(data, 0.2, seed)) for seed in range(4)]
    assert len({frozenset(one) for one in drawn}) == 4
    assert held_out(make_splits(data, 0.2, 2)) == drawn[2]


@pytest.mark.parametrize(
    ("splits", "out", "choice"),
    [
        (("train", "val"), "val", False),
        (("train", "test"), "test", False),
        (("train", "val", "test"), "test", True),
    ],
)
def test_the_last_split_is_held_out(splits: tuple[str, ...], out: str, choice: bool, tmp_path: Path) -> None:
    for name in splits:
        draw_classes(tmp_path / name, ants=2, bees=2)
    roles = assign_roles(load_data(tmp_path))
    assert roles.held_out_name == out
    assert {e.split for e in roles.held_out.examples} == {out}
    assert {e.split for e in roles.train.examples} == {"train"}
    assert (roles.choice is not None) is choice
    assert roles.made == f"as the data say: {', '.join(splits)}"


def test_data_without_a_held_out_part_are_split_and_that_is_said(tmp_path: Path) -> None:
    data = files(tmp_path, ants=20, bees=20)
    for given in (data, with_splits(data, ["train"] * 40)):
        roles = assign_roles(given, 0.25, 3)
        assert len(roles.train) + len(roles.held_out) == 40
        assert 8 <= len(roles.held_out) <= 12 and roles.held_out_name == "val"
        assert "25%" in roles.made
        assert "seed 3" in roles.made
    assert 30 <= len(data.split("train")) <= 34


def test_what_cannot_be_measured_is_not_measured_on_the_training_pictures(tmp_path: Path) -> None:
    """One picture a class, or copies of one: held out would be nothing, or what was learnt."""
    for data in (files(tmp_path / "a", ants=1, bees=1), copies(tmp_path / "b")):
        with pytest.raises(DataError, match="too few different pictures to hold any out") as caught:
            assign_roles(data)
        assert "two pictures" in caught.value.hint


def copies(root: Path) -> ImageDataset:
    for name in ("ants", "bees"):
        (root / name).mkdir(parents=True)
        for number in range(5):
            (root / name / f"{number}.png").write_bytes(name.encode())
    return load_data(root)


def test_no_training_part_is_an_error(tmp_path: Path) -> None:
    data = with_splits(files(tmp_path, ants=2, bees=2), ["val"] * 4)
    with pytest.raises(UsageError, match="no split 'train'"):
        assign_roles(data)


def test_numbers_are_split_without_classes(tmp_path: Path) -> None:
    examples = [Example(draw(tmp_path / f"{i}.png", i), float(i)) for i in range(20)]
    roles = assign_roles(ImageDataset(examples, [], task="regression"))
    assert len(roles.train) + len(roles.held_out) == 20 and 3 <= len(roles.held_out) <= 5


def test_an_unreadable_picture_does_not_stop_a_split(tmp_path: Path) -> None:
    data = files(tmp_path, ants=10, bees=10)
    (tmp_path / "ants" / "3.png").unlink()
    assert len(make_splits(data)) == 20
