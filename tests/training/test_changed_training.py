"""`train` with pictures that are recoloured, covered, cropped, mixed or small at first; what does not go together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from painted import paint_folder
from safetensors.torch import load_file
from test_own_parts import focal
from torch import Tensor, nn
from torchvision.transforms import v2

import lensmith as lm
from lensmith.errors import UsageError
from lensmith.runs.files import read_json_lines

EACH: list[dict[str, float]] = [
    {"colour": 0.4},
    {"cutout": 0.25},
    {"crop": 0.6},
    {"mixup": 0.3},
    {"cutmix": 0.3},
    {"small_first": 0.5},
    {"colour": 0.2, "cutout": 0.2, "crop": 0.7, "mixup": 0.2, "cutmix": 0.5, "small_first": 0.4},
]
QUICK: dict[str, Any] = {"epochs": 2, "precision": "float32", "device": "cpu", "quiet": True}
DIGITS: dict[str, Any] = {**QUICK, "model": "convnet_tiny", "epochs": 4}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def photos(place: Path) -> Path:
    """Two colours, 12 pictures each of 20 x 20, in the working folder."""
    return paint_folder(place / "photos", ant=12, bee=12)


@pytest.mark.parametrize("changes", EACH, ids=lambda changes: "+".join(changes))
def test_digits_are_learned_all_the_same(place: Path, changes: dict[str, float]) -> None:
    run = lm.train("digits", **DIGITS, **changes)
    assert run.report["accuracy"].value > 0.9
    recipe = run.directory.recipe()
    assert {name: getattr(recipe, name) for name in changes} == changes
    assert recipe.shift == (0.0 if "crop" in changes else 0.0625)


def test_a_run_with_everything_on_is_repeated_from_its_recipe(place: Path) -> None:
    first = lm.train("digits", **DIGITS, **EACH[-1])
    again = lm.train("digits", recipe=first.path / "recipe.toml", quiet=True)
    one, other = (load_file(run.path / "model" / "weights.safetensors") for run in (first, again))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_several_labels_are_mixed_too(place: Path) -> None:
    folder = paint_folder(place / "photos", ant=12, bee=12)
    rows = [f"{file.relative_to(place)},{file.parent.name};small" for file in sorted(folder.rglob("*.png"))]
    Path("labels.csv").write_text("\n".join(["path,labels", *rows]))
    run = lm.train("labels.csv", image_size=16, mixup=0.5, cutmix=0.5, batch_size=8, **QUICK)
    assert run.report.task == "multilabel"


def test_own_losses_that_take_shares_and_own_transforms_go_with_mixing(photos: Path) -> None:
    words = {"image_size": 16, "batch_size": 8, "mixup": 0.5, **QUICK}
    run = lm.train(photos, loss=focal, augment=v2.RandomHorizontalFlip(), **words)
    weighted = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0]), label_smoothing=0.1)
    for made in (run, lm.train(photos, loss=weighted, **words)):
        assert [line["index"] for line in read_json_lines(made.path / "metrics.jsonl")] == [1, 2]


class Hinge(nn.Module):
    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        signs = 2.0 * nn.functional.one_hot(targets, outputs.shape[1]) - 1
        return (1 - signs * outputs).clamp(min=0).mean(1)


def picked(outputs: Tensor, targets: Tensor) -> Tensor:
    """Takes shares for indices: of two classes, it would find as many of them as there are pictures."""
    return -outputs.log_softmax(1)[torch.arange(len(outputs)), targets.long()].mean()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"mixup": 0.2, "loss": Hinge()}, "mixup=0.2 mixes targets.*shares of classes.*CrossEntropyLoss"),
        ({"cutmix": 1.0, "loss": picked}, "cutmix=1.0 mixes targets.*shares of classes"),
        ({"augment": v2.RandomHorizontalFlip(), "colour": 0.2}, "colour=0.2: augment= says alone"),
        (
            {"augment": v2.RandomHorizontalFlip(), "cutout": 0.2, "crop": 0.5},
            "crop=0.5, cutout=0.2: augment=",
        ),
        ({"augment": v2.MixUp(num_classes=2)}, "MixUp mixes.*mixup=1.0"),
        ({"crop": 0.5, "shift": 0.1}, "crop=0.5, shift=0.1: a crop moves"),
        ({"model": "efficientnet_lite0", "pretrained": True, "freeze": True, "mixup": 0.2}, "without passes"),
        (
            {"model": "tutorial_net", "image_size": 32, "small_first": 0.5},
            "pictures of 16 x 16.*small_first=0",
        ),
        ({"colour": 1.5}, "colour=1.5 is outside 0 to 1"),
        ({"color": 0.5}, "Did you mean colour"),
    ],
)
def test_what_does_not_go_together_is_told_before_training(
    photos: Path, words: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        lm.train(photos, **{"image_size": 16, **QUICK, **words})
    assert re.search(told, f"{caught.value.message} {caught.value.hint}"), str(caught.value)
    assert not Path("runs").exists()


@pytest.mark.parametrize("mixing", ["mixup", "cutmix"])
def test_numbers_are_not_mixed(photos: Path, mixing: str) -> None:
    rows = [
        f"photos/{file.parent.name}/{file.name},{number}" for number, file in enumerate(photos.rglob("*.png"))
    ]
    Path("ages.csv").write_text("\n".join(["path,value", *rows]))
    with pytest.raises(UsageError, match=f"{mixing}=0.2: a picture between two has no number"):
        lm.train("ages.csv", image_size=16, **QUICK, **{mixing: 0.2})
