"""`seeds=3`: the first is kept, all are measured on its split, and the report tells how far they lie apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from painted import paint_folder
from safetensors.torch import save_file
from torch import nn

import lensmith as lm
from lensmith.errors import UsageError
from lensmith.models.build import build
from lensmith.planning.clock import Clock
from lensmith.runs.files import read_json, read_json_lines
from lensmith.runs.recipe import Recipe
from lensmith.training import repeats, transfer
from lensmith.training.several import budget_of_one

SCRATCH: dict[str, Any] = {"model": "convnet", "image_size": 16, "epochs": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("seeds")
    paint_folder(place / "set", bee=30, cat=30)
    torch.manual_seed(0)
    save_file(build("tutorial_net", 2, 16).state_dict(), str(place / "w.safetensors"))
    return place


@pytest.fixture(scope="module")
def alone(place: Path) -> lm.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        return lm.load_run(lm.train("set", out="one/alone", seed=4, quiet=True, **SCRATCH).path.absolute())


@pytest.fixture(scope="module")
def three(place: Path) -> lm.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        run = lm.train("set", out="three/run", seed=4, seeds=3, quiet=True, **SCRATCH)
        return lm.load_run(run.path.absolute())


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def spread_of(run: lm.Run) -> dict[str, Any]:
    found: dict[str, Any] = read_json(run.path / "report.json")["studies"]["seeds"]
    return found


def test_the_first_seed_is_kept_as_if_it_were_alone(alone: lm.Run, three: lm.Run) -> None:
    assert three.bundle.facts.files == alone.bundle.facts.files
    assert three.report.values == alone.report.values
    assert three.directory.recipe().changed(seeds=1) == alone.directory.recipe()


def test_each_seed_is_what_its_own_run_would_be_on_this_split(three: lm.Run, place: Path) -> None:
    found = spread_of(three)
    assert found["seeds"] == [4, 5, 6] and found["count"] == three.report.count
    assert found["values"][0] == three.report["accuracy"].value
    assert found["smallest"] <= found["mean"] <= found["largest"]
    assert 0 <= found["disagree"] <= 12
    assert "3 trainings, by seeds 4, 5, 6" in found["verdict"]
    page = (three.path / "report.html").read_text(encoding="utf-8")
    assert f"on {found['disagree']} of {three.report.count} pictures the seeds disagree" in page


def test_each_model_that_was_measured_is_a_look(three: lm.Run) -> None:
    looks = read_json_lines(three.path.parent / "looks.jsonl")
    assert [look["run"] for look in looks] == ["run", "run, seed 5", "run, seed 6"]
    assert len({look["fingerprint"] for look in looks}) == 1
    assert three.report.seen == 1


def test_heads_of_a_frozen_network_share_their_features_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    embed = transfer.embed

    def counted(backbone: Any, pixels: Any, *rest: Any, **words: Any) -> Any:
        looked.append(len(pixels))
        return embed(backbone, pixels, *rest, **words)

    monkeypatch.setattr(transfer, "embed", counted)
    monkeypatch.setattr(repeats, "embed", counted)
    fields = {"model": "tutorial_net", "weights": "w.safetensors", "image_size": 16, "freeze": True}
    run = lm.train("set", seeds=3, flip=False, device="cpu", quiet=True, **fields)
    assert sorted(looked) == [12, 48], "training pictures once, held-out ones once"
    found = spread_of(run)
    assert len(found["values"]) == 3
    assert "only the folds that chose the penalty of the last layer differ" in found["verdict"]


def test_own_networks_begin_each_with_the_weights_given() -> None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    run = lm.train("set", model=net, image_size=16, epochs=1, lr=0.0, seeds=2, device="cpu", quiet=True)
    found = spread_of(run)
    assert found["values"][0] == found["values"][1] and found["disagree"] == 0
    assert "began with the weights of the network that was given" in found["verdict"]


def test_an_optimizer_that_belongs_to_one_network_is_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(768, 2))
    with pytest.raises(UsageError, match="seeds=2 trains several networks"):
        lm.train(
            "set", model=net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1), seeds=2, image_size=16
        )


def test_a_seed_that_comes_to_nothing_does_not_take_the_others_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (Path("nan.py")).write_text(
        "import torch\nfrom torch import nn\n\nfrom lensmith.batches.batches import stream_seed\n\n"
        "STEPS = {stream_seed(f'1 step {step}') for step in range(99)}  # of the training by seed 1\n\n"
        "def loss(outputs, targets):\n"
        "    found = nn.functional.cross_entropy(outputs, targets, reduction='none')\n"
        "    return found * float('nan') if torch.initial_seed() in STEPS else found\n"
    )
    run = lm.train("set", loss="nan.py:loss", seeds=3, quiet=True, **SCRATCH)
    found = spread_of(run)
    assert found["seeds"] == [0, 2]
    assert "seed 1 came to nothing: step " in found["verdict"] and "no finite number" in found["verdict"]


def test_a_budget_is_divided() -> None:
    clock = Clock()
    one = budget_of_one(Recipe(budget="100s", seeds=5), clock)
    assert one.budget is not None and 19.9 < float(one.budget[:-1]) < 21
    assert budget_of_one(Recipe(budget="100s"), clock).budget == "100s"
    assert budget_of_one(Recipe(budget="100s", seeds=5, epochs=3), clock).budget == "100s"
    late = repeats._is_too_late(Recipe(budget="1s"), Clock(began=clock.began - 5), 0.0, 3)
    assert late and not repeats._is_too_late(Recipe(budget="1h"), clock, clock.spent(), 3)


def test_a_run_with_seeds_repeats(three: lm.Run) -> None:
    again = lm.train("set", recipe=three.path / "recipe.toml", quiet=True)
    assert again.directory.facts()["repeats"]["equal"]
    assert spread_of(again)["values"] == spread_of(three)["values"]
