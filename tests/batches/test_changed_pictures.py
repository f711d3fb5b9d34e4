"""Colour, cutout and crops: each does what it says, to each picture by its own draw, and to nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from drawn import noise, smooth
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from lensmith.batches.augment import Augment, draw
from lensmith.batches.batches import Batches
from lensmith.batches.colour import draw_factors, recoloured
from lensmith.pictures.preprocess import Preprocess
from lensmith.pictures.resample import resized, resized_windows, sampled_windows

COUNT, SIDE = 48, 16
PIXELS = torch.from_numpy(noise(COUNT * SIDE, SIDE).reshape(COUNT, SIDE, SIDE, 3))
EACH: list[dict[str, float]] = [{"colour": 0.4}, {"cutout": 0.5}, {"crop": 0.3}]
GREY = 0.5


def batches(seed: int = 0, batch_size: int = 8, **changes: Any) -> Batches:
    augment = replace(Augment(flip=False, shift=0), **changes)
    steps = Preprocess(SIDE, mean=(GREY,) * 3, std=(1, 1, 1))
    return Batches(PIXELS, torch.arange(COUNT), steps, batch_size, augment, seed)


def seen(made: Batches, epoch: int = 0) -> Tensor:
    """float [COUNT, 3, SIDE, SIDE], 0 to 1: the pictures as a pass shows them, in the order of the data set."""
    passed = list(made(epoch))
    order = torch.cat([batch.targets for batch in passed]).argsort()
    return torch.cat([batch.images for batch in passed])[order] + GREY


PLAIN = PIXELS.permute(0, 3, 1, 2) / 255


@pytest.mark.parametrize("changes", EACH)
def test_seed_epoch_and_picture_decide_what_is_drawn(changes: dict[str, float]) -> None:
    made = batches(**changes)
    first = seen(made)
    torch.manual_seed(99)  # nobody else's draws matter
    state = torch.get_rng_state()
    assert torch.equal(first, seen(replace(made)))
    assert torch.equal(state, torch.get_rng_state()), "nor do these draws move anybody else's"
    assert torch.equal(first, seen(batches(batch_size=12, **changes))), "whatever the batch"
    for other in (seen(made, epoch=1), seen(batches(seed=1, **changes))):
        again = [torch.equal(one, two) for one, two in zip(first, other, strict=True)]
        assert sum(again) < COUNT / 5


@pytest.mark.parametrize("changes", EACH)
def test_equal_pictures_are_changed_differently(changes: dict[str, float]) -> None:
    alike = replace(batches(**changes), pixels=PIXELS[:1].repeat(COUNT, 1, 1, 1))
    assert len(torch.unique(seen(alike), dim=0)) > COUNT * 0.7


@pytest.mark.parametrize("changes", EACH)
def test_order_and_sides_are_those_of_a_run_without_it(changes: dict[str, float]) -> None:
    plain, changed = batches(flip=True), batches(flip=True, **changes)
    for one, other in zip(plain(3), changed(3), strict=True):
        assert torch.equal(one.targets, other.targets)
    # Each picture is as much like itself from the side that it is shown from without the change.
    one, other = seen(plain), seen(changed)
    if "crop" not in changes:
        assert ((one - other).abs().mean((1, 2, 3)) < (one - other.flip(3)).abs().mean((1, 2, 3))).all()


def test_colour_is_brightness_then_contrast_then_saturation() -> None:
    soft = torch.from_numpy(80 + smooth(SIDE, SIDE) // 3)[None]  # nothing is cut off
    for factors in ((1.3, 1.0, 1.0), (1.0, 0.6, 1.0), (1.0, 1.0, 0.2), (0.8, 1.2, 1.4)):
        found = recoloured(soft, torch.tensor([factors]))[0].permute(2, 0, 1)
        wanted = tv.adjust_brightness(soft[0].permute(2, 0, 1) / 255, factors[0])
        wanted = tv.adjust_saturation(tv.adjust_contrast(wanted, factors[1]), factors[2])
        assert torch.allclose(found / 255, wanted, atol=1e-3)


def test_colour_stays_within_its_strength_and_what_a_screen_can_show() -> None:
    factors = draw_factors(0.4, 5000, torch.Generator().manual_seed(0))
    assert factors.amin() >= 0.6 and factors.amax() <= 1.4
    assert (factors.amin(0) < 0.61).all() and (factors.amax(0) > 1.39).all()
    assert abs(np.corrcoef(factors.T)[0, 1]) < 0.05
    strong = seen(batches(colour=1.0))
    assert strong.amin() >= -1e-6 and strong.amax() <= 1 + 1e-6


@pytest.mark.parametrize(("cutout", "side"), [(0.5, 8), (0.25, 4), (1 / 16, 1)])
def test_cutout_covers_a_square_with_the_mean_and_leaves_the_rest(cutout: float, side: int) -> None:
    places = set()
    for picture, plain in zip(seen(batches(cutout=cutout)), PLAIN, strict=True):
        covered = (picture == GREY).all(0)
        assert torch.allclose(picture[:, ~covered], plain[:, ~covered], atol=1e-6)
        rows, columns = covered.any(1).nonzero()[:, 0], covered.any(0).nonzero()[:, 0]
        assert covered[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all(), "a square, no more"
        assert int(covered.sum()) == len(rows) * len(columns)
        for along in (rows, columns):
            at_the_edge = along[0] == 0 or along[-1] == SIDE - 1
            assert len(along) == side or (at_the_edge and side // 2 <= len(along) < side)
        places.add((int(rows[0]), int(columns[0])))
    assert len(places) > COUNT / 2


def boxes(crop: float, full: tuple[int, int]) -> Tensor:
    drawn = draw(Augment(False, 0, crop=crop), 3000, full, (8, 8), torch.Generator().manual_seed(0)).boxes
    assert drawn is not None
    return drawn


@pytest.mark.parametrize("crop", [0.08, 0.5, 1.0])
@pytest.mark.parametrize("full", [(200, 200), (120, 300)])
def test_crops_lie_inside_and_show_at_least_the_share(crop: float, full: tuple[int, int]) -> None:
    drawn = boxes(crop, full)
    top, left, height, width = drawn.T
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + height <= full[0]).all() and (left + width <= full[1]).all()
    shares = height * width / (full[0] * full[1])
    assert shares.amin() > crop - 0.01
    if crop == 1.0:
        assert torch.equal(drawn.unique(dim=0), torch.tensor([[0, 0, *full]]))
        return
    assert shares.amin() < crop + 0.02 and shares.amax() > 0.98
    shapes = (width / full[1]) / (height / full[0])
    assert shapes.amin() > 0.74 and shapes.amax() < 1.36
    assert shapes.amin() < 0.8 and shapes.amax() > 1.25
    assert (top == 0).any() and (top + height == full[0]).any() and (left + width == full[1]).any()


def test_a_crop_is_torchvisions_resize_of_its_window() -> None:
    pixels = torch.from_numpy(noise(2 * 40, 30).reshape(2, 40, 30, 3))
    windows = torch.tensor([[3, 5, 24, 20], [0, 0, 40, 30], [10, 2, 9, 7]])
    index = torch.tensor([1, 0, 1])
    found = resized_windows(pixels, index, windows, (16, 12))
    for picture, row, (top, left, height, width) in zip(found, index, windows.tolist(), strict=True):
        whole = pixels[row].permute(2, 0, 1)
        wanted = tv.resized_crop(whole, top, left, height, width, [16, 12], antialias=True)
        assert torch.equal(picture.permute(2, 0, 1), wanted)


def test_a_crop_on_a_gpu_shows_the_same_as_on_a_cpu() -> None:
    pixels = torch.from_numpy(smooth(40, 30))[None].repeat(3, 1, 1, 1)
    windows = torch.tensor([[3, 5, 24, 20], [0, 0, 40, 30], [20, 10, 16, 12]])
    by_grid = sampled_windows(pixels, windows, (16, 12))
    one_by_one = resized_windows(pixels, torch.arange(3), windows, (16, 12))
    assert by_grid.shape == one_by_one.shape and by_grid.dtype == torch.uint8
    assert (by_grid.int() - one_by_one.int()).abs().max() <= 2


def test_crops_are_mirrored_where_pictures_are() -> None:
    straight, mirrored = seen(batches(crop=0.3)), seen(batches(crop=0.3, flip=True))
    same = [torch.equal(one, other) for one, other in zip(straight, mirrored, strict=True)]
    turned = [torch.equal(one, other.flip(2)) for one, other in zip(straight, mirrored, strict=True)]
    assert all(a != b for a, b in zip(same, turned, strict=True))
    assert min(sum(same), sum(turned)) > COUNT / 4


def test_smaller_pictures_are_means_of_what_they_cover() -> None:
    board = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).repeat(16, 16)
    small = resized(board[None, :, :, None].expand(1, 32, 32, 3).contiguous(), (16, 16))
    assert small.shape == (1, 16, 16, 3)
    assert (small.int() - 127).abs().max() <= 4
