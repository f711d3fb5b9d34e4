from __future__ import annotations

import pytest
import torch

from lensmith.errors import UsageError
from lensmith.models.build import build


def test_it_is_the_net_of_the_guide() -> None:
    net = build("tutorial_net", 10, 32)
    shapes = [list(p.shape) for p in net.parameters() if p.ndim > 1]
    assert shapes == [[32, 3, 5, 5], [32, 32, 5, 5], [64, 32, 5, 5], [64, 1024], [10, 64]]
    assert sum(p.numel() for p in net.parameters()) == 145_578
    assert net(torch.ones(64, 3, 32, 32)).shape == (64, 10)


@pytest.mark.parametrize("size", [8, 31, 64])
def test_other_sizes_fit(size: int) -> None:
    assert build("tutorial_net", 3, size)(torch.ones(2, 3, size, size)).shape == (2, 3)


def test_pictures_that_are_too_small_are_refused() -> None:
    with pytest.raises(UsageError, match="image_size=7"):
        build("tutorial_net", 3, 7)
