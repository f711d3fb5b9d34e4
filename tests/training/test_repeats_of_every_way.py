"""Each way of training repeats from its recipe to equal weights, whatever the clock said the first time."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from painted import paint_folder
from safetensors.torch import save_file
from torch import nn

import lensmith as lm
from lensmith.data.splitting import assign_roles
from lensmith.models.build import build
from lensmith.planning import timing
from lensmith.planning.clock import Clock
from lensmith.planning.plan import Plan
from lensmith.runs.recipe import Recipe
from lensmith.training import finetune
from lensmith.training.parts import Parts
from lensmith.training.prepare import Prepared, prepare

SCRATCH: dict[str, Any] = {"model": "convnet", "image_size": 16, "epochs": 2, "device": "cpu"}
TRAINED: dict[str, Any] = {
    "model": "tutorial_net",
    "weights": "w.safetensors",
    "image_size": 16,
    "device": "cpu",
}
OWN = """
import torch
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        front = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
        super().__init__(*front, nn.Flatten(), nn.Dropout(0.2), nn.Linear(32, 2))

def loss(outputs, targets):
    return nn.functional.cross_entropy(outputs, targets, reduction="none")

def rate(progress):
    return 1 - progress
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ways")
    paint_folder(place / "set", bee=40, cat=40)
    rows = [f"set/bee/{n:02d}.png,{n / 40}\n" for n in range(40)]
    (place / "numbers.csv").write_text("file,label\n" + "".join(rows))
    torch.manual_seed(0)
    save_file(build("tutorial_net", 2, 16).state_dict(), str(place / "w.safetensors"))
    (place / "own.py").write_text(OWN)
    return place


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def repeated(run: lm.Run, data: str = "set", **fields: Any) -> dict[str, Any]:
    """What a second run by the recipe of this one says of itself."""
    again = lm.train(data, recipe=run.path / "recipe.toml", quiet=True, **fields)
    told: dict[str, Any] = again.directory.facts()["repeats"]
    return told


WAYS: dict[str, dict[str, Any]] = {
    "from scratch": SCRATCH,
    "from scratch, pictures changed": SCRATCH | {"colour": 0.4, "mixup": 0.3, "cutout": 0.3},
    "in bfloat16": SCRATCH | {"precision": "bfloat16"},
    "with changes on the way": SCRATCH | {"epochs": 3.0, "changes": "2:epochs=1.5", "batch_size": 16},
    "a frozen network": TRAINED | {"freeze": True},
    "fine-tuned": TRAINED | {"epochs": 1.5, "choice_fraction": 0.25},
    "fine-tuning undone": TRAINED | {"epochs": 1, "lr": 5.0, "schedule": "constant", "choice_fraction": 0.25},
    "own parts in a file": {
        "model": "own.py:Net",
        "loss": "own.py:loss",
        "schedule": "own.py:rate",
        "image_size": 16,
        "epochs": 2,
        "device": "cpu",
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_repeats_to_equal_weights(way: str) -> None:
    run = lm.train("set", quiet=True, **WAYS[way])
    told = repeated(run, store=False)
    assert told["equal"], told["verdict"]
    assert told["verdict"].startswith(f"repeats {run.path}: equal weights")
    assert told["answers"] == {"count": run.report.count, "other": 0}


def test_numbers_repeat(place: Path) -> None:
    run = lm.train("numbers.csv", quiet=True, **SCRATCH)
    assert repeated(run, "numbers.csv")["equal"]


def test_own_objects_repeat_where_they_are_given_again() -> None:
    def net() -> nn.Module:
        torch.manual_seed(3)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))

    made = functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9)
    run = lm.train("set", model=net(), optimizer=made, image_size=16, epochs=1, device="cpu", quiet=True)
    assert repeated(run, model=net(), optimizer=made)["equal"]


def test_what_was_undone_keeps_the_course_that_it_took() -> None:
    """Else a repeat makes other steps before it compares, and may come to another conclusion."""
    fields = WAYS["fine-tuning undone"] | {"epochs": 2.0, "changes": "2:epochs=0.8"}
    run = lm.train("set", quiet=True, **fields)
    assert run.directory.facts()["choices"]["keep"] == "the last layer, fitted to features"
    assert run.directory.recipe().changes == "2:epochs=0.8"


def test_a_head_for_want_of_time_is_repeated_with_time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = TRAINED | {"epochs": 2, "budget": "60s"}
    with monkeypatch.context() as patch:
        patch.setattr(finetune, "_passes_left", lambda _: 0.5)
        run = lm.train("set", quiet=True, **fields)
    assert "passes fit into the budget" in run.directory.facts()["choices"]["fine-tuning"]
    assert run.directory.recipe().freeze
    assert repeated(run)["equal"]


def test_a_run_on_which_nothing_changed_is_not_changed_when_repeated() -> None:
    """A repeat watches no clock: what it follows says that there was nothing, not that nothing is known."""
    run = lm.train("set", quiet=True, **SCRATCH)
    assert run.directory.recipe().changes == ""


def test_another_run_says_what_differs(place: Path) -> None:
    run = lm.train("set", quiet=True, **SCRATCH)
    told = repeated(run, lr=0.1, seed=3)
    assert told["equal"] is False
    assert told["verdict"].startswith(f"not equal to {run.path}: ")
    assert "lr 0.25 -> 0.1" in told["verdict"] and "seed 0 -> 3" in told["verdict"]
    assert {one["name"] for one in told["differences"]} >= {"lr", "seed", "train fingerprint"}
    page = (place / "runs" / "last").read_bytes().decode().strip()
    assert "Not the same in both runs" in (Path(page) / "report.html").read_text(encoding="utf-8")


def test_a_file_that_the_recipe_names_and_that_was_changed_is_told(place: Path) -> None:
    run = lm.train("set", quiet=True, **WAYS["own parts in a file"])
    with (place / "own.py").open("a") as file:
        file.write("\n# a note\n")
    told = repeated(run)
    assert "own.py" in told["verdict"]


def ready(recipe: Recipe, data: str = "set") -> Prepared:
    """Everything up to the first step."""
    going = prepare(
        found := lm.load_data(data), recipe, assign_roles(found, seed=recipe.seed), Clock(), Parts()
    )
    while True:
        try:
            next(going)
        except StopIteration as end:
            prepared: Prepared = end.value
            return prepared


def same_start(one: Prepared, other: Prepared) -> bool:
    states = one.model.state_dict(), other.model.state_dict()
    return list(states[0]) == list(states[1]) and all(
        torch.equal(states[0][n], states[1][n]) for n in states[0]
    )


@pytest.fixture
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_two_threads")
@pytest.mark.parametrize("data", ["set", "numbers.csv"])
@pytest.mark.parametrize("larger", [False, True])
def test_a_network_chosen_by_timing_begins_as_the_one_that_is_named(
    data: str, larger: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer threads were chosen after the network was made, or another network: what is computed from pictures, and
    where a network of numbers starts from, are as with those from the beginning."""

    def fewer(plan: Plan, *_: object) -> Plan:
        torch.set_num_threads(1)
        return plan.choosing("measured", threads=1)

    with monkeypatch.context() as patch:
        patch.setattr(timing, "_choose_threads", fewer)
        patch.setattr(timing, "_LADDER", (("convnet_medium" if larger else "convnet", 0.0, 16),))
        first = ready(Recipe(budget="300s", image_size=16, device="cpu", precision="float32"), data)
    recipe = first.plan.recipe
    assert (recipe.model, recipe.threads) == ("convnet_medium" if larger else "convnet", 1)
    torch.set_num_threads(2)
    assert same_start(first, ready(recipe, data))


def test_another_time_or_number_of_passes_lets_go_of_the_course_of_the_run() -> None:
    run = Recipe(budget="60s", epochs=3.3, changes="5:epochs=2.1", batch_size=64)
    assert run.varied(seed=4).changes == "5:epochs=2.1"
    assert (run.varied(epochs=20).epochs, run.varied(epochs=20).changes) == (20, None)
    longer = run.varied(budget="5m")
    assert (longer.budget, longer.epochs, longer.changes) == ("5m", None, None)
