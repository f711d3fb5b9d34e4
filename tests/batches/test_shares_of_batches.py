"""Batches of which processes make a share each: together they are the batches of one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lensmith.batches.augment import Augment
from lensmith.batches.batches import Batches
from lensmith.batches.mixing import Mixing
from lensmith.machine.processes import Processes
from lensmith.pictures.preprocess import Preprocess

AUGMENT = Augment(True, 0.1, colour=0.3, cutout=0.3)


def batches(batch_size: int, mixing: Mixing) -> Batches:
    random = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (23, 10, 12, 3), generator=random, dtype=torch.uint8)
    targets = torch.arange(23) % 3
    return Batches(pixels, targets, Preprocess((8, 8)), batch_size, AUGMENT, 5, mixing=mixing)


@pytest.mark.parametrize("mixing", [Mixing(), Mixing(mixup=0.4, classes=3), Mixing(0.4, 1.0, 3)])
@pytest.mark.parametrize(("batch_size", "count"), [(8, 2), (7, 3), (3, 4), (1, 2), (23, 5)])
def test_shares_together_are_the_batch(batch_size: int, count: int, mixing: Mixing) -> None:
    whole = batches(batch_size, mixing)
    parts = [replace(whole, processes=Processes(rank, count)) for rank in range(count)]
    for epoch in (0, 1):
        shared = [list(part(epoch)) for part in parts]
        for number, batch in enumerate(whole(epoch)):
            own = [share[number] for share in shared]
            assert torch.equal(torch.cat([one.images for one in own]), batch.images)
            assert torch.equal(torch.cat([one.targets for one in own]), batch.targets)
            sizes = [len(one.images) for one in own]
            assert max(sizes) - min(sizes) <= 1
            assert sizes[0] == max(sizes)
            for one in own:  # whoever names a batch's pictures names all of them
                assert batch.rows is not None
                assert torch.equal(torch.as_tensor(one.rows), batch.rows)
        assert {len(share) for share in shared} == {len(whole)}


def test_a_share_goes_on_inside_a_pass() -> None:
    part = replace(batches(7, Mixing(0.4, 1.0, 3)), processes=Processes(1, 3))
    rest = list(part(2, 1))
    assert len(rest) == 2
    for one, other in zip(rest, list(part(2))[1:], strict=True):
        assert torch.equal(one.images, other.images)
