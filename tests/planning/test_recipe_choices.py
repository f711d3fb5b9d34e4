"""What a recipe leaves open is chosen once, with a reason, and what cannot work is refused first."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from painted import paint, paint_folder
from PIL import Image
from torch import nn

from lensmith.batches.augment import Augment
from lensmith.batches.batches import Batches
from lensmith.data.dataset import ImageDataset
from lensmith.data.sources import load_data
from lensmith.errors import UsageError
from lensmith.machine.runtime import find_runtime
from lensmith.pictures.preprocess import Preprocess
from lensmith.planning.clock import Clock
from lensmith.planning.plan import choose
from lensmith.planning.timing import Spending, Trial, size_training
from lensmith.runs.recipe import Recipe

LITE0 = "efficientnet_lite0"


class Painted:
    """Two pictures of each class."""

    def __init__(self, classes: Sequence[str], sizes: Sequence[tuple[int, int]] = ((20, 20),)) -> None:
        self.classes, self.sizes = list(classes), sizes

    def __len__(self) -> int:
        return 2 * len(self.classes)

    def __getitem__(self, index: int) -> tuple[Image.Image, str]:
        size = self.sizes[index % len(self.sizes)]
        return Image.new("RGB", size, (index, 0, 0)), self.classes[index // 2]


def chosen(data: ImageDataset, **fields: Any) -> tuple[Recipe, dict[str, str]]:
    plan = choose(Recipe(**{"device": "cpu", **fields}), data, find_runtime("cpu"))
    return plan.recipe, plan.reasons


def painted(*classes: str, sizes: Sequence[tuple[int, int]] = ((20, 20),)) -> ImageDataset:
    return load_data(Painted(classes or ("ant", "bee"), sizes))


def test_nothing_stays_open_and_every_choice_has_its_reason() -> None:
    recipe, reasons = chosen(painted(), device=None)
    open_fields = set(Recipe().unset()) - {"threads", "precision", "layout"}
    assert recipe.unset() == ["threads", "precision", "layout"]  # decided once the network stands
    assert set(reasons) == open_fields
    assert all(len(words) > 5 for words in reasons.values()), reasons


def test_what_is_given_stays_and_needs_no_reason() -> None:
    given = {
        "model": "resnet18",
        "task": "classification",
        "epochs": 3.5,
        "batch_size": 3,
        "lr": 0.5,
        "image_size": 40,
        "fit": "pad",
        "flip": False,
        "device": "cpu",
        "pretrained": False,
        "freeze": False,
        "choice_fraction": 0.0,
        "normalize": "imagenet",
        "loss": "cross_entropy",
        "optimizer": "sgd",
        "schedule": "cosine",
        "threads": 2,
        "processes": 1,
        "precision": "float32",
        "layout": "contiguous",
        "shift": 0.1,
        "small_first": 0.2,
    }
    assert set(given) == set(Recipe().unset())
    recipe, reasons = chosen(painted(), **given)
    assert recipe == Recipe(**given)
    assert reasons == {}


@pytest.mark.parametrize(
    ("classes", "mirrored"),
    [
        (("ant", "bee"), True),
        (("6", "9"), False),
        (("b", "d"), False),
        (("left hand", "right hand"), False),
        (("turn_Left", "straight"), False),
        (("arrow-right", "stop"), False),
        (("bright", "dark"), True),
        (("cleft", "whole"), True),
    ],
)
def test_pictures_are_mirrored_only_where_that_keeps_their_meaning(
    classes: tuple[str, ...], mirrored: bool
) -> None:
    assert chosen(painted(*classes))[0].flip is mirrored
    assert chosen(painted(*classes), flip=not mirrored)[0].flip is not mirrored


@pytest.mark.parametrize(
    ("sizes", "size"), [([(20, 20)], 20), ([(28, 20)], 20), ([(20, 20), (30, 30)], 128), ([(200, 200)], 128)]
)
def test_small_pictures_that_are_alike_keep_their_size(sizes: list[tuple[int, int]], size: int) -> None:
    assert chosen(painted(sizes=sizes), pretrained=False)[0].image_size == size


@pytest.mark.parametrize(
    ("words", "share"),
    [
        ({"pretrained": False}, 0.5),
        ({"model": "resnet18", "image_size": 96}, 0.5),
        ({"image_size": 32}, 0.0),
        ({"model": "vit_b_16", "image_size": 224}, 0.0),
        ({"model": "own"}, 0.0),
        ({"model": "net.py:Net"}, 0.0),
        ({"model": "resnet18", "pretrained": True, "freeze": False}, 0.0),
        ({"pretrained": False, "small_first": 0.0}, 0.0),
        ({"image_size": 32, "small_first": 0.3}, 0.3),
    ],
)
def test_large_pictures_are_small_at_first_for_untrained_networks_that_take_any_size(
    words: dict[str, Any], share: float
) -> None:
    recipe, reasons = chosen(painted(sizes=[(200, 200)]), **words)
    assert recipe.small_first == share
    assert ("small_first" in reasons) is ("small_first" not in words)


class Photos(Painted):
    """As many photos as one likes, of two classes, most of which nobody looks at."""

    def __init__(self, count: int, side: int) -> None:
        super().__init__(["ant", "bee"], [(side, side)])
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Image.Image, str]:
        return Image.new("RGB", self.sizes[0]), self.classes[index % 2]


@pytest.mark.parametrize(
    ("count", "side", "words", "model"),
    [
        (5_000, 200, {}, "resnet18"),
        (5_000, 200, {"budget": "1h"}, "resnet18"),
        (5_000, 200, {"budget": "1m"}, "convnet"),
        (4_990, 200, {}, "convnet"),
        (5_000, 40, {}, "convnet"),
        (5_000, 200, {"model": "convnet"}, "convnet"),
    ],
)
def test_many_photos_are_for_a_larger_network(
    count: int, side: int, words: dict[str, Any], model: str
) -> None:
    recipe, reasons = chosen(load_data(Photos(count, side)), pretrained=False, **words)
    assert recipe.model == model
    if model == "resnet18":
        assert "5,000 are enough" in reasons["model"]
        assert recipe.epochs is None or recipe.epochs >= 10, "which takes its passes"


@pytest.mark.parametrize(
    ("words", "frozen", "reason"),
    [
        ({}, True, "--budget"),
        ({"budget": "5m"}, True, "6 training pictures are too few"),
        ({"epochs": 2.0}, False, "asked for"),
        ({"augment": "own"}, False, "asked for"),
    ],
)
def test_a_trained_network_is_fine_tuned_where_time_and_pictures_allow_it(
    words: dict[str, Any], frozen: bool, reason: str
) -> None:
    recipe, reasons = chosen(painted("ant", "bee", "cat"), model=LITE0, pretrained=True, **words)
    assert recipe.freeze is frozen
    assert reason in reasons["freeze"]
    assert recipe.choice_fraction == 0  # of so few, none can be spared


def test_enough_pictures_and_a_budget_are_reason_to_try() -> None:
    data = load_data(Painted([f"class {number}" for number in range(200)]))
    recipe, _ = chosen(data, model=LITE0, pretrained=True, budget="5m")
    assert (recipe.freeze, recipe.choice_fraction) == (False, 0.1)
    assert chosen(data, model=LITE0, pretrained=True)[0].freeze


def test_small_pictures_are_enlarged_for_a_network_of_photos_as_far_as_time_allows() -> None:
    sizes = [(32, 32)]

    def size(**words: Any) -> int | None:
        return chosen(painted(sizes=sizes), model=LITE0, pretrained=True, **words)[0].image_size

    many = load_data(Painted([f"class {number}" for number in range(400)], sizes))

    def size_of_many(budget: str) -> int | None:
        return chosen(many, model=LITE0, pretrained=True, budget=budget)[0].image_size

    assert size() == 128
    assert size(image_size=64) == 64
    assert size_of_many("1s") == 96 < (size_of_many("1m") or 0) < (size_of_many("10m") or 0) == 224
    sizes = [(200, 200)]
    assert size() == 224


def test_a_damaged_picture_does_not_decide_the_size(tmp_path: Path) -> None:
    data = paint_folder(tmp_path / "set", ant=3, bee=3)
    for file in data.rglob("*.png"):
        paint("ant", 0).save(file)
    (data / "ant" / "00.png").write_bytes(b"\x89PNG\r\n\x1a\nhalf a file")
    assert chosen(load_data(data))[0].image_size == 20


def test_another_task_than_the_targets_have_is_refused() -> None:
    with pytest.raises(
        UsageError, match="task=regression, and the targets of Painted are for classification"
    ):
        chosen(painted(), task="regression")


def sized(budget: str, spent: float = 0.0, count: int = 40, **fields: Any) -> Recipe:
    """The recipe after sizing it to a budget; training takes under a millisecond a step."""
    pixels, targets = torch.zeros(count, 4, 4, 3, dtype=torch.uint8), torch.zeros(count, dtype=torch.int64)
    batches = Batches(pixels, targets, Preprocess(4), 1, Augment(False, 0.0))
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    plan = choose(Recipe(budget=budget, device="cpu", **fields), painted(), find_runtime("cpu"))
    assert plan.recipe.epochs is None or "epochs" in fields
    return size_training(plan, trial(net, batches), spending(spent)).plan.recipe


def spending(spent: float = 0.0) -> Spending:
    return Spending(Clock(time.time() - spent), decoding=0.0, held_out=0)


def trial(net: nn.Module, batches: Batches) -> Trial:
    return Trial(net, torch.optim.SGD(net.parameters(), lr=0.01), batches, nn.CrossEntropyLoss())


def test_a_budget_becomes_epochs_and_more_time_more_of_them() -> None:
    short, long = sized("20s"), sized("120s")
    assert short.unset() == long.unset() == ["threads", "precision", "layout"]
    assert short.epochs is not None and long.epochs is not None
    assert 1 < short.epochs < long.epochs


def test_a_budget_for_a_small_part_of_much_data_still_trains() -> None:
    epochs = sized("2.1s", count=300_000).epochs
    assert epochs is not None and 0 < epochs < 0.1


def test_epochs_that_are_written_down_are_not_timed_again() -> None:
    """As when a run with a budget is repeated from its recipe."""
    assert sized("1s", epochs=2.5).epochs == 2.5


@pytest.mark.parametrize("spent", [0.0, 3.3])
def test_a_budget_too_small_names_the_smallest_that_works(spent: float) -> None:
    with pytest.raises(UsageError, match="budget=1s is too short") as caught:
        sized("1s", spent)
    named = caught.value.hint.split()[-1].rstrip(".")
    assert 1.5 + spent < float(named.rstrip("s")) < 8 + spent
    assert sized(named, spent).epochs


def test_sizing_a_budget_leaves_the_network_as_it_was() -> None:
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(48), nn.Linear(48, 2))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    pixels = torch.randint(0, 256, (40, 4, 4, 3), dtype=torch.uint8)
    batches = Batches(pixels, torch.zeros(40, dtype=torch.int64), Preprocess(4), 8, Augment())
    plan = choose(Recipe(budget="20s", device="cpu"), painted(), find_runtime("cpu"))
    sized_plan = size_training(plan, trial(net, batches), spending()).plan
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert dataclasses.replace(sized_plan.recipe, epochs=None) == plan.recipe
    assert "measured" in sized_plan.reasons["epochs"]
