"""Batches: order and augmentation are a function of seed and epoch, and stay within what was asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn import noise
from torch import Tensor

from lensmith.batches.augment import Augment, Draws, draw, windows
from lensmith.batches.batches import Batches, normalised
from lensmith.pictures.preprocess import Preprocess
from lensmith.types import Batch

STILL = Augment(flip=False, shift=0)
COUNT, SIDE = 48, 16
PIXELS = torch.from_numpy(noise(COUNT * SIDE, SIDE).reshape(COUNT, SIDE, SIDE, 3))


def batches(augment: Augment = STILL, batch_size: int = 8, seed: int = 0, count: int = COUNT) -> Batches:
    return Batches(PIXELS[:count], torch.arange(count), Preprocess(SIDE), batch_size, augment, seed)


def same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )


def test_seed_and_epoch_decide_everything() -> None:
    made = batches(Augment())
    first = list(made(0))
    torch.manual_seed(99)
    torch.rand(7)  # nobody else's draws matter
    assert same(first, list(made(0)))
    assert same(first, list(replace(made)(0)))
    assert not same(first, list(made(1)))
    assert not same(first, list(batches(Augment(), seed=1)(0)))
    state = torch.get_rng_state()
    list(made(3))
    assert torch.equal(state, torch.get_rng_state()), "nor do these draws move anybody else's"


def test_a_pass_that_is_left_and_begun_again_is_the_same() -> None:
    made = batches(Augment())
    going = made(0)
    first = next(going)
    wanted = [first, *going]
    half = made(0)
    next(half)
    assert same(wanted, list(made(0)))


def test_neighbouring_seeds_and_epochs_share_no_order() -> None:
    orders = {
        tuple(next(batches(batch_size=COUNT, seed=seed)(epoch)).targets.tolist())
        for seed in range(6)
        for epoch in range(6)
    }
    assert len(orders) == 36


def test_every_picture_once_an_epoch_with_its_own_target() -> None:
    for epoch in range(3):
        passed = list(batches()(epoch))
        assert [len(batch.targets) for batch in passed] == [8] * 6 == [8] * len(batches())
        assert sorted(torch.cat([batch.targets for batch in passed]).tolist()) == list(range(COUNT))
        for batch in passed:
            assert batch.mask.all()
            assert torch.equal(batch.images, normalised(PIXELS[batch.targets], Preprocess(SIDE)))


def test_rows_alone_take_part_each_with_its_own_picture() -> None:
    made = replace(batches(), rows=torch.arange(1, COUNT, 2))
    passed = list(made(0))
    assert len(passed) == len(made) == 3
    assert sorted(torch.cat([batch.targets for batch in passed]).tolist()) == list(range(1, COUNT, 2))
    for batch in passed:
        assert torch.equal(batch.images, normalised(PIXELS[batch.targets], Preprocess(SIDE)))


def test_the_last_ragged_batch_is_dropped_unless_it_is_the_only_one() -> None:
    assert [len(b.targets) for b in batches(batch_size=20)(0)] == [20, 20]
    dropped = [
        set(range(COUNT)) - set(torch.cat([b.targets for b in batches(batch_size=20)(e)]).tolist())
        for e in (0, 1)
    ]
    assert dropped[0] != dropped[1], "not the same ones each time"
    assert [len(b.targets) for b in batches(batch_size=100)(0)] == [COUNT]
    assert [len(b.targets) for b in batches(count=1)(0)] == [1]


def test_normalised_is_the_usual_formula_in_channels_last() -> None:
    steps = Preprocess(SIDE, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    images = normalised(PIXELS, steps)
    assert images.shape == (COUNT, 3, SIDE, SIDE)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    for channel in range(3):
        wanted = (PIXELS[..., channel].double() / 255 - steps.mean[channel]) / steps.std[channel]
        assert torch.allclose(images[:, channel].double(), wanted, atol=1e-6, rtol=0)
    assert PIXELS.dtype == torch.uint8


def shown(picture: Tensor, whole: Tensor) -> list[tuple[int, int, bool]]:
    """Every (top, left, mirrored) from which a picture can be a window of `whole`, reflected at its edges."""
    padded = np.pad(whole.numpy(), ((SIDE, SIDE), (SIDE, SIDE), (0, 0)), mode="reflect")
    views = np.lib.stride_tricks.sliding_window_view(padded[10:38, 10:38], (SIDE, SIDE), (0, 1))
    found = []
    for mirrored, wanted in ((False, picture), (True, picture.flip(1))):
        hits = (views == wanted.permute(2, 0, 1).numpy()).all(axis=(2, 3, 4))
        found += [(int(top) - 6, int(left) - 6, mirrored) for top, left in np.argwhere(hits)]
    return found


def drawn(augment: Augment, epochs: int = 3) -> list[tuple[int, int, bool]]:
    steps = Preprocess(SIDE, mean=(0, 0, 0), std=(1, 1, 1))
    made = replace(batches(augment), preprocess=steps)
    seen = []
    for epoch in range(epochs):
        for batch in made(epoch):
            pixels = (batch.images * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
            for picture, target in zip(pixels, batch.targets, strict=True):
                places = shown(picture, PIXELS[target])
                assert len(places) == 1, "a training picture is a window of its own picture, whole"
                seen += places
    return seen


def test_flip_mirrors_half_and_no_flip_none() -> None:
    assert not any(mirrored for _, _, mirrored in drawn(Augment(flip=False, shift=0.125)))
    seen = [mirrored for _, _, mirrored in drawn(Augment(flip=True, shift=0))]
    assert 0.35 < sum(seen) / len(seen) < 0.65


@pytest.mark.parametrize(("shift", "reach"), [(0, 0), (0.125, 2), (0.25, 4)])
def test_shift_stays_within_reach_and_uses_it(shift: float, reach: int) -> None:
    seen = drawn(Augment(flip=True, shift=shift))
    for position in (0, 1):
        moved = {place[position] for place in seen}
        assert moved == set(range(-reach, reach + 1))


def test_windows_move_in_what_is_spare() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = draw(Augment(flip=False, shift=0), 500, (20, 18), (16, 16), generator)
    assert set(draws.top.tolist()) == set(range(5))
    assert set(draws.left.tolist()) == set(range(3))
    pixels = torch.from_numpy(noise(20, 18))[None]
    at = Draws(torch.tensor([3]), torch.tensor([1]), torch.tensor([True]))
    window = windows(pixels, torch.tensor([0]), at, (16, 16))
    assert torch.equal(window[0], pixels[0, 3:19, 1:17].flip(1))


def test_a_window_larger_than_the_picture_is_filled_by_reflection() -> None:
    pixels = torch.from_numpy(noise(3, 1))[None]
    at = Draws(torch.tensor([-4]), torch.tensor([-2]), torch.tensor([False]))
    window = windows(pixels, torch.tensor([0]), at, (10, 5))[0]
    assert torch.equal(window[4:7, 2], pixels[0, :, 0])
    assert torch.equal(window[3], window[5])
    assert window.shape == (10, 5, 3)
