"""A budget is kept by the clock: the end of a run moves as its steps turn out, and a repeat moves it alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from painted import paint_folder
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lensmith as lm
from lensmith.errors import UsageError
from lensmith.fitting.optim import linear
from lensmith.planning.changes import Change, Recorded, read_changes, usual_work, written
from lensmith.planning.deadline import Deadline

Numbers = DataLoader[tuple[torch.Tensor, ...]]


def pictures() -> Numbers:
    return DataLoader(TensorDataset(torch.randn(40, 4), torch.randint(0, 2, (40,))), batch_size=4)


def rates(change: tuple[int, float] | None) -> list[float]:
    """The rate of each step of two passes of ten; change: after which step the run is to end elsewhere."""
    net = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    training = lm.fit(
        net, pictures(), loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=2, schedule=linear
    )
    found = []
    for step in training.steps():
        found.append(step.lr)
        if change and step.index == change[0]:
            training.end_after(change[1])
    return found


def test_a_run_is_shortened_and_its_rate_still_comes_down_to_the_end() -> None:
    found = rates((10, 1.5))
    assert len(found) == 15
    assert found[:10] == rates(None)[:10]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.15


def test_a_run_is_lengthened_beyond_its_last_pass() -> None:
    found = rates((19, 3.0))
    assert len(found) == 30
    assert found == sorted(found, reverse=True)


def test_an_end_that_lies_behind_is_now() -> None:
    assert len(rates((12, 0.5))) == 12


class Run:
    """Steps of a pass of ten, each with its seconds by a clock of its own."""

    def __init__(self, seconds: Callable[[int], float], work: Callable[[int], float] = usual_work) -> None:
        self.seconds, self.work = seconds, work
        self.now, self.ends = 100.0, list[float]()

    def go(self, planned: float, budget: float) -> float:
        """Seconds that it took in the end."""
        deadline = Deadline(self.now + budget, planned / 10, 10, self.work, lambda: self.now)
        index, began = 0, self.now
        while index < planned:
            index += 1
            self.now += self.seconds(index)
            for change in deadline.step(index):
                planned = change.value * 10
                self.ends.append(planned)
        return self.now - began


@pytest.mark.parametrize("planned", [10, 400, 4000])
@pytest.mark.parametrize("budget", [4.0, 60.0, 300.0])
def test_the_end_moves_to_where_the_time_is_over(planned: int, budget: float) -> None:
    assert 0.95 * budget < Run(lambda index: budget / 1000).go(planned, budget) < 1.02 * budget


def test_steps_that_become_slower_make_fewer_of_them() -> None:
    assert Run(lambda index: 0.1 if index < 200 else 0.2).go(600, 60.0) < 62.0


def test_steps_that_are_known_to_become_slower_move_no_end() -> None:
    def work(index: int) -> float:
        return 0.25 if index <= 200 else 0.6 if index <= 400 else 1.0

    run = Run(lambda index: 0.1 * work(index), work)
    assert run.go(800, 57.0) == pytest.approx(57.0, abs=0.3)
    assert run.ends == []


def test_one_stall_does_not_end_a_run() -> None:
    run = Run(lambda index: 8.0 if index == 100 else 0.07)
    assert run.go(428, 30.0) < 31.0
    assert min(run.ends) > 300, "the steps after the stall are as fast as those before it"


def test_a_stall_at_the_very_end_leaves_steps_for_the_rate_to_come_down() -> None:
    run = Run(lambda index: 60.0 if index == 410 else 0.07)
    assert run.go(428, 30.0) < 92.0
    assert run.ends[-1] > 414


def test_changes_are_written_and_read_alike() -> None:
    changes = [Change(120, "threads", 1, ""), Change(400, "epochs", 3.25, "")]
    words = written(changes)
    assert [(c.step, c.field, c.value) for c in read_changes(words)] == [
        (120, "threads", 1),
        (400, "epochs", 3.25),
    ]
    assert [change.field for change in Recorded(words).step(400)] == ["epochs"]
    assert Recorded(words).step(1) == []


@pytest.mark.parametrize("words", ["soon", "3:lr=2", "0:epochs=1", "3:epochs=none", "3:threads=-1"])
def test_what_is_no_change_is_refused(words: str) -> None:
    with pytest.raises(UsageError, match="is no change"):
        read_changes(words)


def test_a_run_repeated_from_its_recipe_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paint_folder(tmp_path / "photos", ant=40, bee=40)
    first = lm.train("photos", image_size=16, batch_size=8, budget="6s", quiet=True)
    recipe = first.directory.recipe()
    assert recipe.epochs and recipe.threads
    again = lm.train("photos", recipe=first.path / "recipe.toml", quiet=True)
    assert again.directory.recipe() == recipe
    weights = [(run.path / "model" / "weights.safetensors").read_bytes() for run in (first, again)]
    assert weights[0] == weights[1]
