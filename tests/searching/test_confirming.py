"""The winner beside the usual recipe, by trainings that are real; and what fits into a time."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from painted import paint_folder

from lensmith.evaluation.paired_seeds import SeedsCompared
from lensmith.models.packaged import is_there
from lensmith.runs.recipe import Recipe
from lensmith.searching.confirming import Limits, confirm
from lensmith.searching.grounds import Grounds, folds_of, load_roles, spare
from lensmith.searching.timetable import Timetable
from lensmith.searching.trying import Trying, never
from lensmith.searching.ways import Setting, Sights
from lensmith.training.parts import Parts
from lensmith.types import Event

SCRATCH = Recipe().changed(model="convnet", image_size=16, epochs=2, device="cpu", threads=1, batch_size=8)
HEAD = Recipe().changed(
    model="efficientnet_lite0",
    pretrained=True,
    freeze=True,
    image_size=32,
    device="cpu",
    threads=1,
    flip=True,
)
Result = TypeVar("Result")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return paint_folder(tmp_path_factory.mktemp("confirming") / "set", bee=110, cat=110)


def grounds(folder: Path, folded: bool = False, **fields: Any) -> Grounds:
    return spare(load_roles(folder, Recipe().changed(**fields), None), folded, 0)


def ended(going: Generator[Event, None, Result]) -> Result:
    while True:
        try:
            next(going)
        except StopIteration as end:
            result: Result = end.value
            return result


def names(part: Any) -> set[str]:
    return {str(example.source) for example in part.examples}


def test_each_picture_is_there_for_one_thing(folder: Path) -> None:
    roles = load_roles(folder, Recipe(), None)
    found = spare(roles, False, 0)
    assert found.judge is not None
    parts = [names(part) for part in (found.learn, found.judge, found.confirm)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(roles.train)
    assert not set.union(*parts) & names(roles.held_out)
    for part in (found.learn, found.judge, found.confirm):
        assert min(part.counts().values()) >= 0.3 * len(part)
    trial, last = found.for_a_trial(), found.for_confirming()
    assert not len(trial.held_out) and not names(trial.train) & parts[2]
    assert names(last.train) == parts[0] | parts[1] and last.choice is None


def test_groups_are_on_one_side(tmp_path: Path) -> None:
    paint_folder(tmp_path / "set", bee=90, cat=90)
    found = grounds(tmp_path / "set", group_by=r"(\d)\d")  # 00 to 09 of either class are one group
    assert found.judge is not None
    seen = [
        {example.group for example in part.examples} for part in (found.learn, found.judge, found.confirm)
    ]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    folds = folds_of(found.learn, 0)
    of_group: dict[str, set[int]] = {}
    for example, fold in zip(found.learn.examples, folds.tolist(), strict=True):
        of_group.setdefault(example.group, set()).add(fold)
    assert all(len(numbers) == 1 for numbers in of_group.values())


def test_val_judges_trials_where_the_data_have_one(folder: Path) -> None:
    found = grounds(folder, test_fraction=0.2)
    assert found.judge is not None and found.said_by_data
    assert {example.split for example in found.judge.examples} == {"val"}
    assert found.for_confirming().choice is found.judge  # it is never learned from


def compared(folder: Path, tried: Recipe, usual: Recipe, place: Path) -> SeedsCompared | None:
    setting = Setting(grounds(folder), Parts(), {})
    return ended(confirm(setting, (tried, usual), Limits(), None, place))


def test_a_recipe_that_learns_is_better_than_one_that_does_not(folder: Path, tmp_path: Path) -> None:
    idle = SCRATCH.changed(optimizer="sgd", lr=1e-9)
    found = compared(folder, SCRATCH, idle, tmp_path)
    assert found is not None and found.is_better and found.seeds == (1000, 1001, 1002)
    worse = compared(folder, idle, SCRATCH, tmp_path / "again")
    assert worse is not None and not worse.is_better and worse.verdict().startswith("worse than the default")


def test_a_recipe_is_no_better_than_itself(folder: Path, tmp_path: Path) -> None:
    found = compared(folder, SCRATCH, SCRATCH, tmp_path)
    assert found is not None and found.verdict().startswith("no better than the default that can be told")


def test_no_time_is_no_comparison(folder: Path, tmp_path: Path) -> None:
    setting = Setting(grounds(folder), Parts(), {})
    limits = Limits(3, time.time() - 1)
    assert ended(confirm(setting, (SCRATCH, SCRATCH), limits, None, tmp_path)) is None


@pytest.mark.skipif(not is_there(), reason="needs the packaged backbone")
def test_heads_share_what_is_seen(folder: Path, tmp_path: Path) -> None:
    setting = Setting(grounds(folder, folded=True), Parts(), {}, mirrored=True)
    sights = Sights(setting)
    trying = Trying(setting, sights, tmp_path)

    def judged(recipe: Recipe) -> Any:
        return ended(trying.judged(recipe, "", never, None))

    first = judged(HEAD)
    assert first.value > 0.9 and first.anew == first.seconds
    other = judged(HEAD.changed(penalty=0.5, flip=False))
    assert other.anew > other.seconds  # nothing was looked at again
    assert other.loss != first.loss
    assert judged(HEAD).loss == first.loss
    found = ended(confirm(setting, (HEAD, HEAD.changed(penalty=0.5)), Limits(), sights, tmp_path))
    assert found is not None and len(found.seeds) == 3 and not found.is_better


def test_a_budget_is_divided_before_the_search() -> None:
    table = Timetable(training=10.0, looks=None, confirming=1.25, last=1.6, closing=4.0)
    whole = table.whole(20, 1)
    assert 20 * 10 + 6 * 10 + 10 < whole < 2 * (20 * 10 + 6 * 10 + 10)
    assert table.fitting(whole, 20, 1) == (table, 20)
    assert table.whole(20, 4) < table.whole(20, 1)
    fewer, count = table.fitting(120.0, 20, 1)
    assert fewer.seeds < 3 and 1 <= count < 20  # better more trials than a third seed
    assert table.fitting(20.0, 20, 1)[1] == 0
    assert "one trial, the comparison and the last training take about" in table.refusal(20.0, 1).message


def test_what_is_kept_back_of_a_budget_grows_with_the_best_trial() -> None:
    table = Timetable(training=10.0, looks=None, confirming=1.0, last=1.5, closing=4.0, over=1000.0)
    usual, slow = table.trials_end(), table.trials_end(40.0)
    assert usual is not None and slow is not None and slow < usual < 1000.0
    heads = Timetable(training=10.0, looks=30.0, confirming=0.2, last=1.4, closing=4.0, over=1000.0)
    end = heads.trials_end()
    assert end is not None and end > usual  # heads are compared in a moment
