"""Pictures that grow over a training: small at first, at full size in the end, whole all the time."""

from __future__ import annotations

import pytest
import torch
from drawn import smooth

from lensmith.batches.augment import Augment
from lensmith.batches.batches import Batches
from lensmith.batches.growth import Growth, smaller_sizes
from lensmith.pictures.preprocess import Preprocess

SIDE = 128
PIXELS = torch.from_numpy(smooth(SIDE, SIDE))[None].repeat(8, 1, 1, 1)


def grown(growth: Growth) -> Batches:
    made = Augment(flip=False, shift=0)
    steps = Preprocess(SIDE)
    return Batches(PIXELS, torch.arange(8), steps, 2, made, 0, "channels_last", growth=growth)


def sides(batches: Batches, passes: int) -> list[int]:
    return [batch.images.shape[-1] for epoch in range(passes) for batch in batches(epoch)]


def test_sizes_grow_in_steps_over_the_share_and_end_whole() -> None:
    assert sides(grown(Growth(0.5, 4)), 4) == [64] * 4 + [96] * 4 + [128] * 8
    assert sides(grown(Growth(0.5, 1)), 1) == [64, 96, 128, 128], "within a pass too"


@pytest.mark.parametrize("growth", [Growth(), Growth(0.0, 4), Growth(0.5, 0.0)])
def test_without_a_share_or_a_length_they_are_whole(growth: Growth) -> None:
    assert sides(grown(growth), 4) == [SIDE] * 16


def test_a_small_picture_is_the_whole_picture_made_smaller() -> None:
    batch = next(grown(Growth(0.5, 4))(0))
    whole = next(grown(Growth())(0))
    wanted = torch.nn.functional.avg_pool2d(whole.images, 2)
    assert torch.equal(batch.targets, whole.targets)
    assert (batch.images - wanted)[..., 1:-1, 1:-1].abs().max() < 0.02


@pytest.mark.parametrize(
    ("full", "sizes"),
    [
        ((224, 224), [(128, 128), (192, 192)]),
        ((96, 96), [(64, 64)]),
        ((128, 256), [(64, 128), (96, 192)]),
        ((32, 32), [(16, 16), (24, 24)]),
        ((8, 8), []),
    ],
)
def test_sizes_are_ones_that_networks_can_halve(full: tuple[int, int], sizes: list[tuple[int, int]]) -> None:
    assert smaller_sizes(full) == sizes


def test_the_work_is_that_of_the_pixels_seen() -> None:
    growth = Growth(0.5, 4)
    pixels = sum(side**2 for side in sides(grown(growth), 4))
    assert growth.work((SIDE, SIDE)) == pytest.approx(pixels / (16 * SIDE**2))
    assert Growth().work((SIDE, SIDE)) == Growth(0.5).work((8, 8)) == 1.0
