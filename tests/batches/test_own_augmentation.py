"""torchvision's random transforms as augmentation: drawn for each picture, and by its own seed alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from drawn import noise
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import v2

from lensmith.batches.augment import Augment
from lensmith.batches.batches import Batches
from lensmith.errors import UsageError
from lensmith.pictures.preprocess import Preprocess
from lensmith.pictures.transforms import augmentation_of, preprocess_of

COUNT, FULL, SIDE = 24, 20, 16
PIXELS = torch.from_numpy(noise(COUNT * FULL, FULL).reshape(COUNT, FULL, FULL, 3))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = Preprocess(SIDE, mean=(0, 0, 0), std=(1, 1, 1))


def batches(transform: Any, size: int = SIDE) -> Batches:
    augment = Augment(False, 0.0, augmentation_of(transform))
    return Batches(PIXELS, torch.arange(COUNT), replace(PLAIN, size=(size, size)), 8, augment)


def seen(made: Batches, epoch: int = 0) -> dict[int, Tensor]:
    """Picture -> uint8 [3, H, W], as the network sees it in an epoch."""
    return {
        int(target): (image * 255).round().to(torch.uint8)
        for batch in made(epoch)
        for image, target in zip(batch.images, batch.targets, strict=True)
    }


TUTORIAL = transforms.Compose(
    [
        transforms.RandomResizedCrop(SIDE),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
)


@pytest.mark.parametrize(
    "transform",
    [
        TUTORIAL,
        v2.Compose(
            [v2.ToImage(), v2.RandomCrop(SIDE), v2.ToDtype(torch.float32, scale=True), v2.RandomErasing(p=1)]
        ),
        v2.Compose([v2.TrivialAugmentWide(), v2.CenterCrop(SIDE)]),
        v2.Compose([v2.RandAugment(), v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4)])]),
        v2.Compose(
            [v2.RandomRotation(20), v2.RandomPerspective(), v2.GaussianBlur(3), v2.RandomGrayscale(1.0)]
        ),
        torch.nn.Sequential(v2.RandomHorizontalFlip(), v2.RandomCrop(SIDE, padding=2)),
        v2.Compose([v2.ToPILImage(), v2.RandomCrop(SIDE), v2.AugMix()]),
    ],
)
def test_each_picture_is_drawn_for_by_seed_epoch_and_itself(transform: Any) -> None:
    made = batches(transform)
    first = seen(made)
    torch.manual_seed(5)  # nobody else's draws matter
    state = torch.get_rng_state()
    again = seen(replace(made))
    assert torch.equal(state, torch.get_rng_state()), "nor do these move anybody else's"
    assert sorted(first) == list(range(COUNT))
    assert all(torch.equal(again[row], first[row]) for row in first)
    other = seen(made, epoch=1)
    assert any(not torch.equal(other[row], first[row]) for row in first)


def test_the_batch_size_does_not_change_what_is_drawn_for_a_picture() -> None:
    made = batches(TUTORIAL)
    one, other = seen(made), seen(replace(made, batch_size=12))
    assert all(torch.equal(one[row], other[row]) for row in one)


def test_flips_are_drawn_for_each_picture_and_not_for_the_batch() -> None:
    made = batches(v2.RandomHorizontalFlip())
    centre = PIXELS[:, 2:18, 2:18].permute(0, 3, 1, 2)
    straight = [row for row, picture in seen(made).items() if torch.equal(picture, centre[row])]
    mirrored = [row for row, picture in seen(made).items() if torch.equal(picture, centre[row].flip(2))]
    assert sorted(straight + mirrored) == list(range(COUNT))
    assert min(len(straight), len(mirrored)) >= 4


def test_what_preprocessing_does_is_taken_out_and_kept_beside() -> None:
    found = augmentation_of(TUTORIAL)
    assert [type(step).__name__ for step in found.steps] == ["RandomResizedCrop", "RandomHorizontalFlip"]
    assert found.size == (SIDE, SIDE)
    assert found.normal == (MEAN, STD)
    plain = augmentation_of(v2.RandomHorizontalFlip())
    assert (plain.size, plain.normal) == (None, None)


def test_a_function_of_ones_own_may_give_grey_or_floats() -> None:
    grey = seen(batches(lambda picture: picture[:1]))
    assert all(torch.equal(picture[0], picture[2]) for picture in grey.values())
    half = seen(batches(lambda picture: picture.float() / 510))
    assert max(int(picture.max()) for picture in half.values()) <= 128


@pytest.mark.parametrize(
    ("transform", "told"),
    [
        (v2.RandomCrop(8), "8 x 8, and the network sees 16 x 16"),
        (lambda picture: picture.float(), "values from 0 to 2"),
        (lambda picture: picture.permute(1, 2, 0), r"gave \[20, 20, 3\]"),
        (lambda picture: picture.numpy(), "gave ndarray"),
        (lambda picture: picture.filter(3), r"augment failed .*\(AttributeError"),
        (v2.CutMix(num_classes=3), "CutMix mixes pictures"),
        (v2.Compose([v2.RandomHorizontalFlip(), v2.MixUp(num_classes=3)]), "MixUp mixes pictures"),
        (7, "7 is nothing to call"),
    ],
)
def test_what_cannot_be_done_to_a_picture_is_told(transform: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        seen(batches(transform))


def test_a_choice_among_transforms_is_no_preprocessing() -> None:
    """Its list of transforms looks like that of a Compose."""
    choice = v2.RandomChoice([v2.Resize((8, 8)), v2.Resize((16, 16))])
    with pytest.raises(UsageError, match="RandomChoice"):
        preprocess_of(v2.Compose([choice, v2.ToImage()]))
