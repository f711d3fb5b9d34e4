"""torchvision's preprocessing becomes a `Preprocess` with the same pixels, or is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models, transforms
from torchvision.transforms import v2

from lensmith.errors import UsageError
from lensmith.pictures.preprocess import Preprocess
from lensmith.pictures.transforms import preprocess_of

DRAW = np.random.default_rng(0)
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def picture(width: int, height: int) -> Image.Image:
    small = Image.fromarray(DRAW.integers(0, 256, (9, 7, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    "transform",
    [
        transforms.Compose([transforms.Resize(40), transforms.CenterCrop(32), transforms.ToTensor()]),
        transforms.Compose(
            [transforms.Resize((24, 32)), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        ),
        transforms.Compose(
            [
                transforms.Resize(36, transforms.InterpolationMode.BICUBIC),
                transforms.CenterCrop((32, 30)),
                transforms.ToTensor(),
            ]
        ),
        v2.Compose(
            [
                v2.Resize(40),
                v2.CenterCrop(32),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(MEAN, STD),
            ]
        ),
        transforms.Compose([transforms.Compose([transforms.Resize((16, 16))]), transforms.ToTensor()]),
    ],
)
def test_values_are_those_of_torchvision(transform: object) -> None:
    preprocess = preprocess_of(transform)
    scale, offset = preprocess.affine()
    for size in ((64, 48), (41, 97), (32, 32), (200, 33)):
        image = picture(*size)
        wanted = transform(image).numpy()  # type: ignore[operator]
        ours = preprocess(np.array(image)) * scale + offset
        np.testing.assert_allclose(np.moveaxis(ours, -1, 0), wanted, atol=2e-6)


def test_the_transforms_of_published_weights() -> None:
    preset = models.ResNet18_Weights.DEFAULT.transforms()
    preprocess = preprocess_of(preset)
    assert (preprocess.size, preprocess.resize, preprocess.mean) == ((224, 224), 256, tuple(MEAN))
    image = picture(300, 260)
    scale, offset = preprocess.affine()
    ours = np.moveaxis(preprocess(np.array(image)) * scale + offset, -1, 0)
    np.testing.assert_allclose(ours, preset(image).numpy(), atol=2e-6)


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ([transforms.RandomResizedCrop(32), transforms.ToTensor()], "RandomResizedCrop"),
        ([transforms.Resize((32, 32)), transforms.Grayscale()], "Grayscale"),
        ([transforms.Lambda(lambda x: x)], "Lambda"),
        ([transforms.Resize(32), transforms.ToTensor()], r"Resize\(32\) leaves the long side open"),
        ([transforms.ToTensor()], "fix no size"),
        ([transforms.Resize((32, 32)), transforms.CenterCrop(16)], "distorts"),
    ],
)
def test_what_cannot_be_translated_is_named(steps: list[object], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        preprocess_of(transforms.Compose(steps))


def test_a_preprocess_is_one_already() -> None:
    preprocess = Preprocess(32)
    assert preprocess_of(preprocess) is preprocess
