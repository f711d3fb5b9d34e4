"""What a training draws at random in a step, by dropout or a user's own code: a function of (seed, step, rank)."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch

from lensmith.batches.batches import stream_seed


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Before a step, from 1: so no generator's state has to be kept for a training that goes on there. rank: of the
    process, from 0; no two draw the same."""
    number = stream_seed(f"{seed} step {step} rank {rank}" if rank else f"{seed} step {step}")
    torch.manual_seed(number)
    random.seed(number)
    np.random.seed(number % 2**32)


@contextlib.contextmanager
def generators_of_others() -> Iterator[None]:
    """Those of Python and numpy, which `seed_step` sets, are given back as they were: they are the caller's."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
