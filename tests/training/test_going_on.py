"""`from=RUN`: weights go on, classes are matched by name, and pictures that changed sides are told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from painted import paint_folder
from safetensors.torch import load_file, save_file
from torch import nn

import lensmith as lm
from lensmith.bundle.bundle import Bundle
from lensmith.errors import ModelFileError, UsageError
from lensmith.features.new_rows import fit_new_rows
from lensmith.models.build import build
from lensmith.pictures.preprocess import Preprocess

Trainer = Callable[..., lm.Run]
SCRATCH: dict[str, Any] = {"model": "convnet", "image_size": 16, "epochs": 2}
NET = """
from torch import nn

def make(outputs):
    front = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
    return nn.Sequential(*front, nn.Flatten(), nn.Linear(32, outputs))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`two/`, and `three/` with one class in common and other pictures of it; runs/old, on two."""
    place = tmp_path_factory.mktemp("on")
    paint_folder(place / "two", bee=24, cat=24)
    paint_folder(place / "all", dog=24, ant=24, bee=50)
    for name in ("dog", "ant"):
        shutil.copytree(place / "all" / name, place / "three" / name)
    (place / "three/bee").mkdir()
    for number in range(26, 50):
        shutil.copy(place / f"all/bee/{number}.png", place / "three/bee")
    (place / "net.py").write_text(NET)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        lm.train("two", out="runs/old", device="cpu", quiet=True, **SCRATCH)
    return place


@pytest.fixture
def train(place: Path, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    monkeypatch.chdir(place)

    def run(data: Any, **words: Any) -> lm.Run:
        return lm.train(data, quiet=True, **{"device": "cpu", "from_run": "runs/old", **words})

    return run


def state(run: Path | lm.Run) -> dict[str, torch.Tensor]:
    path = run if isinstance(run, Path) else run.path
    return load_file(str(path / "model/weights.safetensors"))


def leaks(run: lm.Run) -> list[dict[str, Any]]:
    return [one for one in run.directory.facts()["issues"] if one["name"] == "leak"]


def test_all_weights_go_on_and_rows_of_classes_go_by_name(
    train: Trainer, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a rate of 0 the new network is what it began as: bee was row 0 of two, and is row 1 of three."""
    run = lm.train("three", from_run="runs/old", device="cpu", epochs=1, lr=0.0)
    said = capsys.readouterr().err
    assert "kept: bee; new: ant, dog; dropped, for there are no pictures of them: cat" in said
    old, new = state(place / "runs/old"), state(run)
    assert run.bundle.classes == ["ant", "bee", "dog"]
    for name, tensor in old.items():
        if not name.startswith("head."):
            assert torch.equal(new[name], tensor), name
    assert torch.equal(new["head.weight"][1], old["head.weight"][0])
    assert torch.equal(new["head.bias"][1], old["head.bias"][0])
    mean = old["head.weight"].mean(0)
    assert not torch.allclose(new["head.weight"][0], mean), "a new row is fitted to features"


def test_new_classes_are_learned(train: Trainer) -> None:
    run = train("three", epochs=6)
    assert run.report["accuracy"].value > 0.9
    assert run.directory.recipe().model == "convnet"
    assert run.bundle.preprocess == lm.load_run("runs/old").bundle.preprocess


def test_passes_that_spoil_what_was_there_are_undone(train: Trainer, place: Path) -> None:
    run = train("two", epochs=1, lr=50.0, schedule="constant", choice_fraction=0.25, out="runs/spoilt")
    choices = run.directory.facts()["choices"]
    assert choices["going on"].startswith("no: accuracy ") and "as runs/old left them" in choices["going on"]
    old, new = state(place / "runs/old"), state(run)
    assert all(torch.equal(new[name], tensor) for name, tensor in old.items())
    again = lm.train(
        "two", recipe=run.path / "recipe.toml", out="runs/spoilt-again", device="cpu", quiet=True
    )
    assert all(torch.equal(new[name], tensor) for name, tensor in state(again).items())


def test_the_new_bundle_names_the_old_one(train: Trainer) -> None:
    old = lm.load_run("runs/old").bundle
    run = train("three", epochs=1)
    made = run.bundle.describe()["provenance"]
    assert made["from"] == {
        "name": "old",
        "sha256": old.sha256,
        "weights": old.facts.files["weights.safetensors"],
        "classes": ["bee", "cat"],
    }
    assert made["weights"]["source"] == "trained from scratch"


def test_the_same_classes_in_another_order_answer_as_before(train: Trainer, place: Path) -> None:
    data = lm.load_data("two")
    turned = lm.ImageDataset(
        [type(e)(e.source, 1 - int(e.target)) for e in data.examples], ["cat", "bee"], name="turned"
    )
    run = train(turned, epochs=1, lr=0.0)
    picture = place / "two/bee/00.png"
    before, after = lm.load_run("runs/old").predict(picture), run.predict(picture)
    assert before.label == after.label
    assert before.probability == pytest.approx(after.probability, abs=1e-5)


@pytest.mark.parametrize("word", ["runs/old/model", "old.lens", "a run"])
def test_a_bundle_or_a_run_will_do(word: str, train: Trainer) -> None:
    old = lm.load_run("runs/old")
    old.export("old.lens")
    run = train("three", from_run=old if word == "a run" else Path(word), epochs=1, lr=0.0)
    assert torch.equal(state(run)["head.weight"][1], state(old)["head.weight"][0])
    if word == "old.lens":
        assert [one["severity"] for one in leaks(run)] == ["info"]
        assert "does not say which pictures it knew" in leaks(run)[0]["detail"]


def test_last_is_written_down_as_the_run_that_it_was(train: Trainer, place: Path) -> None:
    train("two", out="runs/between", epochs=1)
    run = train("three", from_run="last", epochs=1)
    assert run.directory.recipe().from_run == str(place / "runs/between")
    again = lm.train("three", recipe=run.path / "recipe.toml", quiet=True)
    assert again.directory.facts()["repeats"]["equal"]


def test_pictures_that_the_old_run_was_measured_on_are_told_where_they_are_learned_from(
    train: Trainer,
) -> None:
    run = train("two", seed=7, epochs=1)
    found = [one for one in leaks(run) if one["severity"] == "warning"]
    assert len(found) == 1 and "to train on are among those held out by runs/old" in found[0]["detail"]
    measured = set(np.load("runs/old/predictions.npz")["path"].tolist())
    assert {file for (file,) in found[0]["files"]} <= measured
    assert "splits=runs/old/splits.csv" in found[0]["detail"]


def test_pictures_that_the_old_run_learned_from_are_told_where_they_are_held_out(
    train: Trainer, place: Path
) -> None:
    ids = set(np.load(place / "runs/old/predictions.npz")["id"].tolist())
    rows = [f"x,{name},train\n" for name in lm.load_data("two").ids if name not in ids]
    (place / "runs/old/splits.csv").write_text("path,sha256,split\n" + "".join(rows))
    run = train("two", seed=7, epochs=1)
    (place / "runs/old/splits.csv").unlink()
    (grave,) = [one for one in leaks(run) if one["severity"] == "error"]
    assert "held out here had been learned from by runs/old" in grave["detail"]


def test_a_run_on_the_same_split_finds_nothing_on_the_other_side(train: Trainer) -> None:
    assert [one["severity"] for one in leaks(train("two", epochs=1))] == ["info"]


def test_what_was_measured_out_of_fold_had_been_learned_from(train: Trainer) -> None:
    train("two", from_run=None, out="runs/folded", folds=2, **(SCRATCH | {"epochs": 1}))
    run = train("two", from_run="runs/folded", epochs=1)
    (found,) = leaks(run)
    assert found["severity"] == "error"
    assert f"{run.report.count} pictures held out here had been learned from" in found["detail"]


def test_own_networks_go_on(train: Trainer, place: Path) -> None:
    old = train("two", from_run=None, model="net.py:make", image_size=16, epochs=2, out="runs/own")
    run = train("three", from_run="runs/own", epochs=1, lr=0.0)
    assert run.directory.recipe().model == "net.py:make"
    for name, tensor in state(old).items():
        if not name.startswith("5."):
            assert torch.equal(state(run)[name], tensor), name
    shutil.move(place / "net.py", place / "moved.py")
    with pytest.raises(UsageError, match=r"its network is net\.py:make, and there is no such file") as caught:
        train("three", from_run="runs/own", epochs=1)
    assert "--model" in caught.value.hint
    run = train("three", from_run="runs/own", model="moved.py:make", epochs=1)
    assert run.directory.recipe().model == "moved.py:make"
    shutil.move(place / "moved.py", place / "net.py")


def test_a_network_given_as_an_object_goes_on_where_it_is_given_again(train: Trainer) -> None:
    def net(outputs: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, outputs))

    old = train("two", from_run=None, model=net(2), image_size=16, epochs=1, out="runs/object")
    with pytest.raises(ModelFileError, match="no network that can learn") as caught:
        train("three", from_run=old, epochs=1)
    assert "model=net" in caught.value.hint
    run = train("three", from_run=old, model=net(3), epochs=1, lr=0.0)
    assert torch.equal(state(run)["0.weight"], state(old)["0.weight"])


def test_a_frozen_network_gets_a_head_of_what_is_given(train: Trainer, place: Path) -> None:
    torch.manual_seed(0)
    save_file(build("tutorial_net", 2, 16).state_dict(), str(place / "w.safetensors"))
    fields = {"model": "tutorial_net", "weights": "w.safetensors", "image_size": 16, "freeze": True}
    old = train("two", from_run=None, out="runs/frozen", **fields)
    run = train("three", from_run=old, freeze=True)
    one, other = state(old), state(run)
    assert all(torch.equal(one[name], other[name]) for name in one if one[name].shape == other[name].shape)
    assert {tensor.shape[0] for name, tensor in other.items() if one[name].shape != tensor.shape} == {3}
    assert run.report["accuracy"].value > 0.8


def test_numbers_go_on(train: Trainer, place: Path) -> None:
    rows = [f"two/bee/{n:02d}.png,{n / 24}\n" for n in range(24)]
    (place / "numbers.csv").write_text("file,label\n" + "".join(rows))
    old = train("numbers.csv", from_run=None, out="runs/numbers", **SCRATCH)
    run = train("numbers.csv", from_run=old, epochs=1, lr=0.0)
    assert all(torch.equal(state(run)[name], tensor) for name, tensor in state(old).items())


def test_another_task_is_refused(train: Trainer, place: Path) -> None:
    rows = [f"two/bee/{n:02d}.png,{n / 24}\n" for n in range(24)]
    (place / "other.csv").write_text("file,label\n" + "".join(rows))
    with pytest.raises(UsageError, match="runs/old is for classification, and other for regression"):
        train("other.csv", epochs=1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"image_size": 64}, "image_size=64, and runs/old sees pictures with image_size=16"),
        ({"fit": "pad"}, "fit=pad, and runs/old sees pictures with fit=crop"),
        ({"weights": "w.pt"}, "weights=w.pt, and from=runs/old brings its own"),
        ({"pretrained": False}, "pretrained=False, and from=runs/old brings its own"),
        ({"preprocess": Preprocess((16, 16))}, "from=runs/old"),
        ({"model": "tutorial_net"}, "runs/old: not weights of this network: it lacks "),
    ],
)
def test_what_says_otherwise_is_refused(fields: dict[str, Any], words: str, train: Trainer) -> None:
    with pytest.raises((UsageError, ModelFileError), match=words):
        train("three", epochs=1, **fields)


def test_a_run_that_is_not_there_is_refused_with_those_that_are(train: Trainer) -> None:
    with pytest.raises(ModelFileError, match="runs/none: no such run") as caught:
        train("three", from_run="runs/none", epochs=1)
    assert "two-001" in caught.value.hint


def test_a_network_without_a_layer_of_outputs_goes_on_for_the_same_classes_alone(train: Trainer) -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3))[:, :2] * self.scale

    Bundle(Flat(), preprocess=Preprocess((16, 16)), classes=["bee", "cat"]).save("flat.lens")
    train("two", from_run="flat.lens", model=Flat(), epochs=1)
    with pytest.raises(UsageError, match="the classes are others than before"):
        train("three", from_run="flat.lens", model=Flat(), epochs=1)


def test_new_rows_learn_while_the_others_stand() -> None:
    draw = np.random.default_rng(0)
    centres = np.array([[4.0, 0, 0], [0, 4, 0], [0, 0, 4]])
    targets = np.repeat([0, 1, 2], 50)
    features = (centres[targets] + draw.normal(size=(150, 3))).astype(np.float32)
    weight, bias = torch.tensor([[1.0, 0, -1], [0, 0, 0], [-1, 0, 1.0]]), torch.tensor([0.5, 0.0, 0.2])
    after, offsets = fit_new_rows(features, targets, weight, bias, [1], "classification")
    assert torch.equal(after[[0, 2]], weight[[0, 2]]) and torch.equal(offsets[[0, 2]], bias[[0, 2]])
    said = (torch.from_numpy(features) @ after.T + offsets).argmax(1).numpy()
    assert (said == targets).mean() > 0.95
    shown = np.eye(3, dtype=np.float32)[targets]
    after, offsets = fit_new_rows(features, shown, weight, bias, [1], "multilabel")
    assert (
        ((torch.from_numpy(features) @ after.T + offsets)[:, 1] > 0).numpy() == (targets == 1)
    ).mean() > 0.95
