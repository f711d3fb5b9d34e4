"""`train` with a user's own network, loss, optimizer, schedule and transforms, as objects and out of a file."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import command
from painted import paint_folder
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models, transforms
from torchvision.transforms import v2

import lensmith as lm
from lensmith.errors import ModelFileError, UsageError
from lensmith.runs.files import read_json_lines
from lensmith.runs.predictions import read_predictions

QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 8, "precision": "float32", "device": "cpu", "quiet": True}

FILE = """
import torch
from torch import nn
from torchvision.transforms import v2

class Net(nn.Sequential):
    def __init__(self, outputs=2):
        super().__init__(nn.Conv2d(3, 4, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, outputs))

class SquaredHinge(nn.Module):
    def forward(self, outputs, targets):
        signs = 2.0 * nn.functional.one_hot(targets, outputs.shape[1]) - 1
        return (1 - signs * outputs).clamp(min=0).square().mean(1)

def slow_sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.02, momentum=0.5)

def falling(progress):
    return 1 - progress

looking = v2.Compose([v2.Resize((16, 16)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True),
                      v2.Normalize([0.5] * 3, [0.25] * 3)])
drawing = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(16, padding=2)])
number = 7
"""


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two colours, 12 pictures each of 20 x 20, in the working folder."""
    monkeypatch.chdir(tmp_path)
    paint_folder(tmp_path / "photos", ant=12, bee=12)
    return tmp_path / "photos"


def net(outputs: int = 2, side: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * side**2, outputs))


def focal(outputs: Tensor, targets: Tensor) -> Tensor:
    missed = nn.functional.cross_entropy(outputs, targets, reduction="none")
    return (1 - (-missed).exp()).square() * missed


def test_everything_as_objects(photos: Path) -> None:
    own = net()
    before = [p.clone() for p in own.parameters()]
    rates: list[float] = []

    def falling(progress: float) -> float:
        rates.append(progress)
        return 1 - progress

    steps = transforms.Compose([transforms.Resize((16, 16)), transforms.ToTensor()])
    run = lm.train(
        photos,
        model=own,
        loss=focal,
        optimizer=torch.optim.SGD(own.parameters(), lr=0.05),
        schedule=falling,
        preprocess=steps,
        augment=v2.RandomHorizontalFlip(),
        **QUICK,
    )
    assert any(not torch.equal(a, b) for a, b in zip(before, own.parameters(), strict=True)), (
        "trained in place"
    )
    assert rates
    recipe = run.directory.recipe()
    for field in ("model", "loss", "optimizer", "schedule", "preprocess", "augment"):
        assert getattr(recipe, field) == "own"
    assert (recipe.lr, recipe.image_size, recipe.fit, recipe.normalize) == (0.05, 16, "squish", "none")
    assert (recipe.flip, recipe.shift, recipe.unset()) == (False, 0.0, [])
    assert lm.load_model(run.path).preprocess == lm.preprocess_of(steps)
    own.eval()
    picture = next(photos.glob("ant/*"))
    pixels = torch.from_numpy(run.bundle.prepare(picture)).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        wanted = float(own(pixels).softmax(1).max())
    assert run.predict(picture).probability == pytest.approx(wanted, abs=1e-5)


def test_all_of_it_out_of_a_file_from_the_shell_and_again_from_its_recipe(
    photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(FILE)
    words = ["loss=mine.py:SquaredHinge", "optimizer=mine.py:slow_sgd", "schedule=mine.py:falling"]
    words += [
        "preprocess=mine.py:looking",
        "augment=mine.py:drawing",
        "batch_size=8",
        "--model",
        "mine.py:Net",
    ]
    first = command("train", "photos", "--epochs", "2", "--json", "--device", "cpu", *words, cwd=tmp_path)
    assert first.code == 0, first.err
    recipe = Path(first.json["run"]) / "recipe.toml"
    assert 'loss = "mine.py:SquaredHinge"' in (tmp_path / recipe).read_text()
    again = command("train", "photos", "--recipe", recipe, "--json", cwd=tmp_path)
    assert again.code == 0, again.err
    assert again.json["report"]["accuracy"] == first.json["report"]["accuracy"]
    assert read_predictions(tmp_path / "runs/photos-002/predictions.npz").logits.tolist() == (
        read_predictions(tmp_path / "runs/photos-001/predictions.npz").logits.tolist()
    )


def test_a_built_optimizer_keeps_its_rate_unless_a_schedule_is_named(photos: Path) -> None:
    for words, wanted in (({}, "constant"), ({"schedule": "cosine"}, "cosine")):
        own = net()
        optimizer = torch.optim.SGD(own.parameters(), lr=0.01)
        run = lm.train(photos, model=own, optimizer=optimizer, image_size=16, **words, **QUICK)
        assert run.directory.recipe().schedule == wanted
    rates = [line["lr"] for line in read_json_lines(run.path.parent / "photos-001/metrics.jsonl")]
    assert rates == [0.01, 0.01]


def test_a_function_of_parameters_makes_the_optimizer_of_a_network_by_name(photos: Path) -> None:
    make = functools.partial(torch.optim.RMSprop, lr=0.003)
    run = lm.train(photos, model="convnet", optimizer=make, image_size=16, **QUICK)
    assert run.directory.recipe().lr == 0.003


def test_a_tutorials_transforms_for_training_alone(photos: Path) -> None:
    """Its size and its values are those that pictures are measured with, too."""
    training = transforms.Compose(
        [
            transforms.RandomResizedCrop(16),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    run = lm.train(photos, model=net(), augment=training, **QUICK)
    recipe = run.directory.recipe()
    assert (recipe.image_size, recipe.normalize) == (16, "imagenet")
    assert run.bundle.preprocess.mean == (0.485, 0.456, 0.406)


def test_a_loss_class_is_made(photos: Path) -> None:
    run = lm.train(photos, model=net(), loss=nn.MultiMarginLoss, image_size=16, **QUICK)
    assert run.directory.recipe().loss == "own"


def test_vgg16_both_ways(photos: Path) -> None:
    """A network of 1000 classes for two: its last layer replaced, or one put behind it."""
    replaced = models.vgg11(num_classes=1000)
    replaced.classifier[6] = nn.Linear(4096, 2)
    behind = nn.Sequential(models.squeezenet1_1(num_classes=1000), nn.Linear(1000, 2))
    for own in (replaced, behind):
        run = lm.train(photos, model=own, image_size=32, **{**QUICK, "epochs": 0.5})
        assert run.predict(next(photos.glob("ant/*"))).label in ("ant", "bee")


class Viewing(nn.Module):
    """A tutorial's net: `view` needs maps that lie in rows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.line = nn.Conv2d(3, 4, 5, 3), nn.Linear(64, 2)

    def forward(self, images: Tensor) -> Tensor:
        maps = nn.functional.relu(self.conv(images))
        answers: Tensor = self.line(maps.view(maps.size(0), -1))
        return answers


@pytest.mark.parametrize("more", [{}, {"freeze": True, "epochs": None}])
def test_a_net_that_views_its_maps_goes_in_as_it_is(photos: Path, more: dict[str, Any]) -> None:
    run = lm.train(photos, model=Viewing(), image_size=16, **{**QUICK, **more})
    assert run.directory.recipe().layout == "contiguous"
    assert run.predict(next(photos.glob("ant/*"))).label in ("ant", "bee")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"model": net(10)}, "gives 10 outputs for a picture, and 2 are needed"),
        ({"model": net(side=5)}, "has 100 inputs|Linear"),
        (
            {"model": nn.Sequential(nn.Flatten(0), nn.Linear(8 * 16 * 16 * 3, 2))},
            "mixes the pictures|flatten",
        ),
        ({"model": nn.Linear}, r"neither a name nor an nn.Module.*Write Linear\(\)"),
        ({"model": 18}, "model=18 is neither"),
        ({"loss": 3}, "loss=3 is neither"),
        ({"loss": nn.NLLLoss(reduction="sum"), "lr": "high"}, "lr='high'"),
        ({"optimizer": torch.optim.SGD(net().parameters(), lr=1.0)}, "none is given"),
        ({"model": net(), "weights": "w.pt"}, "load_state_dict"),
        ({"preprocess": v2.RandomCrop(16)}, "RandomCrop cannot be part of preprocessing.*augment="),
        ({"preprocess": "imagenet"}, "preprocess=imagenet names no object"),
        ({"augment": v2.RandomCrop(16), "flip": True}, "flip=True.*RandomHorizontalFlip"),
        ({"preprocess": lm.Preprocess(16), "image_size": 32}, "image_size=32, and preprocess= says 16"),
        ({"augment": v2.Normalize([0.1] * 3, [0.2] * 3)}, "preprocess="),
        ({"augment": v2.Normalize([0.1] * 3, [0.2] * 3), "preprocess": lm.Preprocess(16)}, "normalizes by"),
        ({"augment": v2.RandomHorizontalFlip(), "freeze": True, "pretrained": True}, "without passes"),
        ({"loss": "mine.py:nothing"}, "mine.py has no nothing"),
        ({"loss": "gone.py:x"}, "there is no file gone.py"),
        ({"loss": "mine.py:number"}, "loss=7 is neither"),
        ({"loss": "own"}, "loss=own names no object"),
        ({"model": "own"}, "model=own: that network was given as an object"),
    ],
)
def test_what_does_not_fit_is_told_before_training(photos: Path, words: dict[str, Any], told: str) -> None:
    Path("mine.py").write_text(FILE)
    base = {} if "preprocess" in words else {"image_size": 16}
    with pytest.raises(UsageError) as caught:
        lm.train(photos, **{**QUICK, **base, **words})
    assert re.search(told, f"{caught.value.message} {caught.value.hint}"), str(caught.value)
    assert not Path("runs").exists()


class Turning(nn.Module):
    """A network that torch's exporter cannot follow: it looks at its values."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = net()

    def forward(self, images: Tensor) -> Tensor:
        answers: Tensor = self.inner(images)
        return answers if float(answers.detach().sum()) > 0 else answers * 2


def test_what_was_learned_is_kept_where_nothing_can_write_the_network_down(photos: Path) -> None:
    with pytest.warns(UserWarning, match="no ONNX graph"), pytest.raises(ModelFileError) as caught:
        lm.train(photos, model=Turning(), image_size=16, **QUICK)
    assert "net.py" in caught.value.hint
    (weights,) = Path("runs").glob("*/model/weights.safetensors")
    Turning().load_state_dict(load_file(weights))
