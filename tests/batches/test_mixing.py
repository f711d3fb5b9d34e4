"""Mixed pictures: of two from one batch each, with targets that say how much of which."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn import noise
from torch import Tensor

from lensmith.batches.augment import Augment
from lensmith.batches.batches import Batches
from lensmith.batches.mixing import Mixing
from lensmith.pictures.preprocess import Preprocess
from lensmith.types import Batch

COUNT, SIDE, CLASSES = 48, 16, 48
PIXELS = torch.from_numpy(noise(COUNT * SIDE, SIDE).reshape(COUNT, SIDE, SIDE, 3))
BOTH = [Mixing(mixup=1.0, classes=CLASSES), Mixing(cutmix=1.0, classes=CLASSES)]


def batches(mixing: Mixing, targets: Tensor | None = None, seed: int = 0) -> Batches:
    """Each picture has a class of its own, so that its soft target tells what it was made of."""
    targets = torch.arange(COUNT) if targets is None else targets
    return Batches(
        PIXELS, targets, Preprocess(SIDE), 8, Augment(flip=False, shift=0), seed, "channels_last", mixing
    )


def plain(seed: int = 0) -> Batches:
    return batches(Mixing(), seed=seed)


def same(one: list[Batch], other: list[Batch]) -> bool:
    return all(torch.equal(a.images, b.images) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("mixing", BOTH)
def test_seed_epoch_and_step_decide_what_is_mixed(mixing: Mixing) -> None:
    made = batches(mixing)
    first = list(made(0))
    torch.manual_seed(99)
    np.random.seed(99)
    assert same(first, list(replace(made)(0)))
    assert not same(first, list(made(1)))
    assert not same(first, list(batches(mixing, seed=1)(0)))
    shares = {round(float(batch.targets.amax()), 6) for batch in first}
    assert len(shares) == len(first), "each step draws anew"


@pytest.mark.parametrize("mixing", BOTH)
def test_soft_targets_sum_to_one_and_name_two_of_the_batch(mixing: Mixing) -> None:
    for mixed, alone in zip(batches(mixing)(0), plain()(0), strict=True):
        assert mixed.targets.shape == (8, CLASSES)
        assert torch.allclose(mixed.targets.sum(1), torch.ones(8))
        assert (mixed.targets >= 0).all()
        for row in mixed.targets:
            assert set(row.nonzero()[:, 0].tolist()) <= set(alone.targets.tolist())
            assert 1 <= int((row > 0).sum()) <= 2


def test_mixup_blends_by_the_shares_of_the_target() -> None:
    for mixed, alone in zip(batches(BOTH[0])(0), plain()(0), strict=True):
        wanted = torch.einsum("bc,cxyz->bxyz", mixed.targets[:, alone.targets], alone.images)
        assert torch.allclose(mixed.images, wanted, atol=1e-5)


def test_cutmix_pastes_a_box_whose_area_is_the_share_of_the_target() -> None:
    areas = []
    for mixed, alone in zip(batches(BOTH[1])(0), plain()(0), strict=True):
        for picture, target, own, index in zip(
            mixed.images, mixed.targets, alone.images, alone.targets, strict=True
        ):
            foreign = (picture != own).any(0)
            area = int(foreign.sum())
            assert float(target[index]) == pytest.approx(1 - area / SIDE**2)
            areas.append(area)
            if not area:
                continue
            (other,) = [c for c in target.nonzero()[:, 0].tolist() if c != int(index)]
            (row,) = (alone.targets == other).nonzero()[:, 0].tolist()
            assert torch.equal(picture[:, foreign], alone.images[row][:, foreign])
            assert torch.equal(picture[:, ~foreign], own[:, ~foreign])
            rows, columns = foreign.any(1).nonzero()[:, 0], foreign.any(0).nonzero()[:, 0]
            assert area == int(rows[-1] - rows[0] + 1) * int(columns[-1] - columns[0] + 1), "one box"
    assert len(set(areas)) > COUNT / 3


def test_of_both_each_step_takes_one() -> None:
    blended = []
    for epoch in range(3):
        mixed = batches(Mixing(mixup=1.0, cutmix=1.0, classes=CLASSES))(epoch)
        for batch, alone in zip(mixed, plain()(epoch), strict=True):
            blended.append(float((batch.images == alone.images).float().mean()) < 0.05)
    assert 3 < sum(blended) < 15


def test_a_small_alpha_mostly_leaves_pictures_nearly_alone() -> None:
    def largest(alpha: float) -> float:
        made = batches(Mixing(mixup=alpha, classes=CLASSES))
        return float(torch.cat([batch.targets.amax(1) for batch in made(0)]).mean())

    assert largest(0.1) > 0.85 > 0.7 > largest(5.0)


def test_labels_are_mixed_as_shares_too() -> None:
    labels = (torch.rand(COUNT, 5, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    shares = [batch.targets for batch in batches(BOTH[0])(0)]
    mixed = [batch.targets for batch in batches(BOTH[0], labels)(0)]
    for share, found in zip(shares, mixed, strict=True):
        assert torch.allclose(found, share @ labels, atol=1e-6)


def test_a_batch_of_one_has_nobody_to_mix_with() -> None:
    one = replace(batches(BOTH[1]), pixels=PIXELS[:1], targets=torch.zeros(1, dtype=torch.int64))
    (batch,) = one(0)
    assert torch.equal(batch.images, next(replace(one, mixing=Mixing())(0)).images)
    assert batch.targets[0, 0] == pytest.approx(1.0)
