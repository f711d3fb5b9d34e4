"""What disturbances cost a model, on pictures painted by the tests."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from painted import paint_folder
from PIL import Image
from torch import Tensor, nn

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.robustness import Robustness, at_model_size, robustness
from lensmith.data.dataset import ImageDataset
from lensmith.data.sources import load_data
from lensmith.evaluation.withheld import Withheld
from lensmith.pictures.disturb import Disturbance, lit
from lensmith.pictures.preprocess import Preprocess
from lensmith.types import Event


class Brightness(nn.Module):
    """bee where the picture is bright, else ant: it falls for light and for nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(1, 2)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[-50.0], [50.0]]))
            self.head.bias.copy_(torch.tensor([-10.0, 10.0]))  # the mean is -0.2 at the middle between them

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.head(images.mean(dim=(2, 3)).mean(dim=1, keepdim=True))
        return outputs


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ImageDataset:
    return load_data(paint_folder(tmp_path_factory.mktemp("painted") / "photos", ant=30, bee=30))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle(Brightness().eval(), preprocess=Preprocess(16), classes=["ant", "bee"])


def ended(job: Generator[Event, None, Any]) -> Any:
    try:
        while True:
            next(job)
    except StopIteration as end:
        return end.value


KINDS = (
    Disturbance("dark", lambda pixels, _: lit(pixels, 0.2)),
    Disturbance("same", lambda pixels, _: pixels),
)


def test_a_loss_is_told_with_its_interval(bundle: Bundle, data: ImageDataset) -> None:
    found = ended(robustness(bundle, data, kinds=KINDS))
    assert isinstance(found, Robustness)
    assert found.value.value == 1.0 and found.value.count == 60
    dark, same = found.kinds
    assert (dark.value.value, dark.lost.value, dark.is_clear) == (0.5, 0.5, True)
    assert dark.lost.low is not None and 0.3 < dark.lost.low < 0.5
    assert (same.lost.value, same.is_clear, same.chance) == (0.0, False, 1.0)
    words = "loses 50.0 points (35.2 to 61.6) at dark, the most of 2 disturbances, on 60 pictures"
    assert found.verdict() == f"{words}; no other loss is clear"
    facts = found.as_dict()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert Path(facts["example"][0]).is_file()


def test_where_nothing_is_lost_it_says_so(bundle: Bundle, data: ImageDataset) -> None:
    found = ended(robustness(bundle, data, kinds=KINDS[1:]))
    assert found.verdict().startswith(
        "no disturbance costs more than chance would on 60 pictures; the most of 1"
    )


def test_some_pictures_are_taken_fairly_and_the_same_ones_again(bundle: Bundle, data: ImageDataset) -> None:
    first, second = (ended(robustness(bundle, data, most=20, kinds=KINDS)) for _ in range(2))
    assert first == second
    assert first.value.count == 20 and first.kinds[0].value.value == 0.5  # ten of each


def test_when_the_time_is_up_what_is_there_is_told(bundle: Bundle, data: ImageDataset) -> None:
    found = ended(robustness(bundle, data, seconds=-1, kinds=KINDS))
    assert (found.value.count, found.asked) == (1, 60)
    assert "on 1 pictures (of 60: time was up)" in found.verdict()


def test_the_whole_set_of_disturbances_works(bundle: Bundle, data: ImageDataset) -> None:
    found = ended(robustness(bundle, data, most=6))
    assert [kind.name for kind in found.kinds if kind.is_clear] == []  # six pictures tell nothing
    assert len(found.kinds) == 13


def test_a_picture_that_cannot_be_read_is_skipped(bundle: Bundle, tmp_path: Path) -> None:
    folder = paint_folder(tmp_path / "photos", ant=2, bee=2)
    data = load_data(folder)
    (folder / "ant/00.png").unlink()
    found = ended(robustness(bundle, data, kinds=KINDS))
    assert (found.value.count, found.skipped) == (3, 1)
    for file in folder.rglob("*.png"):
        file.unlink()
    nothing = ended(robustness(bundle, data, kinds=KINDS))
    assert (
        isinstance(nothing, Withheld) and nothing.verdict() == "no robustness: none of 4 pictures can be read"
    )


@pytest.mark.parametrize(
    "preprocess",
    [
        Preprocess(16),
        Preprocess((16, 24), resize=28),
        Preprocess((16, 20), "pad"),
        Preprocess((16, 20), "squish", interpolation="bicubic"),
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [(90, 61), (33, 200), (9, 12), (16, 24)])
def test_the_undisturbed_picture_is_what_the_model_always_sees(
    preprocess: Preprocess, size: tuple[int, int]
) -> None:
    pixels = np.asarray(
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)).resize(size[::-1])
    )
    assert (preprocess(at_model_size(pixels, preprocess)) == preprocess(pixels)).all()


def test_numbers_that_get_worse_are_lost(tmp_path: Path) -> None:
    """Error that grows counts as a loss, above 0."""
    folder = paint_folder(tmp_path / "photos", ant=15, bee=15)
    pictures = load_data(folder)
    examples = [type(e)(e.source, float(e.target != 0), e.split) for e in pictures.examples]
    data = ImageDataset(examples, [], task="regression")

    class Level(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(1, 1)
            with torch.no_grad():
                self.head.weight.fill_(1.3)
                self.head.bias.fill_(0.8)

        def forward(self, images: Tensor) -> Tensor:
            outputs: Tensor = self.head(images.mean(dim=(2, 3)).mean(dim=1, keepdim=True))
            return outputs

    bundle = Bundle(Level().eval(), preprocess=Preprocess(16), classes=[], task="regression")
    found = ended(robustness(bundle, data, kinds=KINDS))
    assert found.figure == "mae" and found.kinds[0].lost.value > 0.1 and found.kinds[0].is_clear
    assert found.kinds[0].lost.low < found.kinds[0].lost.value < found.kinds[0].lost.high
    assert found.kinds[1].lost.value == 0
