"""Where pictures fall: within a stated distance of the share asked for, and where they were before when others come
or go."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from made_up import copies_of, numbered, picture, sides

from lensmith.data.allotment import SLACK
from lensmith.data.bonds import bonds
from lensmith.data.dataset import ImageDataset
from lensmith.data.splitting import assign_roles, make_splits
from lensmith.errors import DataError, UsageError

SHARES = [(0.2, 0.0), (0.1, 0.0), (0.5, 0.0), (0.9, 0.0), (0.15, 0.15)]


def moved(before: ImageDataset, after: ImageDataset) -> list[str]:
    was, there = sides(before), sides(after)
    return [file for file in was.keys() & there.keys() if was[file] != there[file]]


@pytest.mark.parametrize(("val", "test"), SHARES)
def test_every_class_gives_about_its_share_and_is_on_every_side(val: float, test: float) -> None:
    for seed in range(10):
        data = numbered(one=1, two=2, few=7, some=33, more=160, many=900)
        split = make_splits(data, val, seed, test=test)
        of_split = {name: split.split(name).counts() for name in split.splits}
        for name, count in data.counts().items():
            test_count = of_split.get("test", Counter())[name] if test else 0
            for held_out, share in ((test_count, test), (test_count + of_split["val"][name], test + val)):
                slack = max(0.5, SLACK * min(share, 1 - share) * count) + (1.5 if count < 10 else 0)
                assert abs(held_out - share * count) <= slack + 1e-9, (name, share, held_out)
            sides_wanted = min(count, 3 if test else 2)
            assert sum(bool(counts[name]) for counts in of_split.values()) == sides_wanted, name
            assert of_split["train"][name]


@pytest.mark.parametrize(("val", "test"), SHARES)
@pytest.mark.parametrize("size", [3, 10, 40, 150])
def test_one_more_picture_moves_one_at_most(val: float, test: float, size: int) -> None:
    """One at each border, forwards and backwards: a picture that is taken away moves as few."""
    for seed in range(8):
        counts = range(size, size + 12)
        splits = [make_splits(numbered(ants=count, bees=20), val, seed, test=test) for count in counts]
        for before, after in itertools.pairwise(splits):
            found = moved(before, after)
            assert len(found) <= (2 if test else 1)
            assert not any("bees" in file for file in found), "another class is none of its business"


@pytest.mark.parametrize("more", [1, 50, 500])
def test_in_a_class_of_hundreds_nothing_moves(more: int) -> None:
    """The share of a lot of pictures is near enough to the one asked for by itself."""
    for seed in range(10):
        before = make_splits(numbered(ants=500, bees=600), 0.2, seed)
        after = make_splits(numbered(ants=500 + more, bees=600 - more // 5), 0.2, seed)
        assert moved(before, after) == []


def test_few_move_where_a_class_is_small() -> None:
    """Of 100 pictures that become 200, under one in mean; a rank among all of them moved two."""
    counts = [
        len(moved(*(make_splits(numbered(ants=n, bees=50), 0.2, seed) for n in (100, 200))))
        for seed in range(40)
    ]
    assert sum(counts) / len(counts) < 1
    assert max(counts) <= 8


def test_groups_stay_where_they_are_when_they_grow() -> None:
    def films(length: int) -> ImageDataset:
        rows = [
            picture(f"{film}/{shot}.png", film % 2, f"film {film}")
            for film in range(600)
            for shot in range(length)
        ]
        return ImageDataset(rows, ["ants", "bees"])

    before, after = make_splits(films(2)), make_splits(films(5))
    assert moved(before, after) == []
    assert set(Counter((e.group, e.split) for e in after.examples).values()) == {5}


def test_a_group_larger_than_what_is_held_out_is_learned_from() -> None:
    rows = [picture(f"{number}.png", 0, "the long film") for number in range(80)]
    rows += [picture(f"a{number}.png", 0, f"film {number // 2}") for number in range(20)]
    rows += [picture(f"b{number}.png", 1) for number in range(50)]
    for seed in range(20):
        split = make_splits(ImageDataset(rows, ["ants", "bees"]), 0.2, seed)
        assert "the long film" not in {e.group for e in split.split("val").examples}
        assert 10 <= split.split("val").counts()["ants"] <= 20


def test_a_copy_in_two_groups_binds_both() -> None:
    one = [picture(f"one/{n}.png", 0, "one") for n in range(5)]
    two = [picture(f"two/{n}.png", 0, "two") for n in range(5)]
    rows = [*one, *two, *(e for e in copies_of(one[:1], "three"))]
    rows[-1] = picture("one/0.png", 0, "two")
    data = ImageDataset(rows, ["ants", "bees"])
    assert [sorted(bond.rows) for bond in bonds(data)] == [list(range(11))]


def test_what_is_said_to_belong_together_stays_together() -> None:
    data = numbered(ants=60, bees=60)
    draw = random.Random(0)
    together = [draw.sample(range(120), 3) for _ in range(20)]
    for seed in range(5):
        split = make_splits(data, 0.3, seed, together=together)
        for rows in together:
            assert len({split.examples[row].split for row in rows}) == 1
        assert 15 <= len(split.split("val")) <= 55


def test_the_rare_label_of_a_picture_with_several_decides() -> None:
    """Every set of labels is another one: taken as a class each would be learned from alone."""
    draw = random.Random(0)
    rows = [
        picture(f"{n}.png", tuple(sorted({0, *draw.sample(range(1, 9), draw.randrange(1, 5))})))
        for n in range(200)
    ]
    rows += [picture(f"rare {n}.png", (0, 9)) for n in range(4)]
    data = ImageDataset(rows, [f"label {n}" for n in range(10)], task="multilabel")
    for seed in range(10):
        split = make_splits(data, 0.2, seed)
        assert 1 <= split.split("val").counts()["label 9"] <= 2
        for name, count in split.split("val").counts().items():
            assert 0.08 <= count / data.counts()[name] <= 0.35, name


def test_no_class_is_held_out_whole() -> None:
    """Groups of several classes: where the rarer one goes, the other follows."""
    for seed in range(60):
        rows = [
            picture(f"{g}/{c}.png", c, f"g{g}") for g in range(4) for c in ((0, 1), (0, 2), (0, 1), (0, 2))[g]
        ]
        split = make_splits(ImageDataset(rows, ["a", "b", "c"]), 0.5, seed)
        assert all(split.split("train").counts().values())


def test_three_ways() -> None:
    roles = assign_roles(numbered(ants=200, bees=200), 0.1, 1, test=0.2)
    assert roles.held_out_name == "test" and roles.choice is not None
    assert {e.split for e in roles.choice.examples} == {"val"}
    assert (40 <= len(roles.choice) * 4 / 3 <= 80) and 60 <= len(roles.held_out) <= 100
    assert "10% val and 20% test" in roles.made
    data = make_splits(numbered(ants=20, bees=20))
    with pytest.raises(UsageError, match="bring their own splits: train, val"):
        assign_roles(data, test=0.2)


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_folds_share_every_class_evenly(folds: int) -> None:
    rows = [picture(f"a{n}.png", 0, f"patient {n // 7}") for n in range(210)]
    rows += [picture(f"b{n}.png", 1) for n in range(53)]
    rows += [picture("only.png", 2)]
    roles = assign_roles(ImageDataset(rows, ["a", "b", "c"]), folds=folds)
    assert len(roles.train) == 264 and not len(roles.held_out) and roles.choice is None
    sizes = Counter((e.target, fold) for e, fold in zip(roles.train.examples, roles.folds, strict=True))
    assert sizes[2, 0] == 1 and sizes[0, 0] == sizes[1, 0] == 0, (
        "the only one of its class is always learned from"
    )
    for target, slack in ((0, 7), (1, 1)):
        counts = [sizes[target, fold] for fold in range(1, folds + 1)]
        assert max(counts) - min(counts) <= slack
    of_group = {(e.group, fold) for e, fold in zip(roles.train.examples, roles.folds, strict=True) if e.group}
    assert len(of_group) == 30


def test_folds_beside_what_is_held_out() -> None:
    data = numbered(ants=50, bees=50)
    drawn = assign_roles(data, test=0.2, folds=5)
    given = assign_roles(make_splits(data, 0.2), folds=5)
    for roles, name in ((drawn, "test"), (given, "val")):
        assert roles.held_out_name == name and 15 <= len(roles.held_out) <= 25
        assert set(roles.folds) == {1, 2, 3, 4, 5} and len(roles.folds) == len(roles.train)


def test_more_folds_than_pictures() -> None:
    rows = [picture(f"{n}.png", n % 2, f"patient {n % 4}") for n in range(40)]
    with pytest.raises(DataError, match="folds=5, and only 4 different pictures or groups"):
        assign_roles(ImageDataset(rows, ["a", "b"]), folds=5)
