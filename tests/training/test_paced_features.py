"""Features under a neighbour that takes a core."""

from __future__ import annotations

import time
from collections.abc import Generator

import numpy as np
import torch

from lensmith.features.embed import Features
from lensmith.training.transfer import _paced
from lensmith.types import Event


def test_batches_that_become_many_times_slower_go_on_with_fewer_threads() -> None:
    used: list[int] = []

    def looking() -> Generator[Event, None, Features]:
        for index in range(20):
            time.sleep(0.005 if index < 10 else 0.08)
            used.append(torch.get_num_threads())
            yield Event("features", "pictures", index, 20)
        return np.ones((1, 1), np.float32)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        words = [event.words for event in _paced(looking()) if event.stage == "warning"]
        assert torch.get_num_threads() == 2, "as it was, for what comes after"
    finally:
        torch.set_num_threads(before)
    assert len(words) == 1 and words[0].startswith("batch ") and "1 of 2 threads" in words[0]
    assert (used[0], used[-1]) == (2, 1)
