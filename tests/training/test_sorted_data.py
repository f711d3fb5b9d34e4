"""Data that are sorted by class are noticed, others are not."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lensmith as lm

PICTURES, TARGETS = torch.randn(240, 4), torch.arange(3).repeat_interleave(80)


def train(targets: torch.Tensor, shuffle: bool, batch_size: int = 4) -> None:
    net = nn.Linear(4, 3)
    loader = DataLoader(TensorDataset(PICTURES, targets), batch_size=batch_size, shuffle=shuffle)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    lm.fit(net, loader, loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=1).run()


def test_class_after_class_is_told_to_shuffle() -> None:
    with pytest.warns(UserWarning, match=r"sorted by class.*shuffle=True"):
        train(TARGETS, shuffle=False)


@pytest.mark.parametrize(
    ("targets", "shuffle", "size"),
    [(TARGETS, True, 8), (TARGETS[torch.arange(240) * 7 % 240], False, 4), (TARGETS, False, 1)],
)
def test_mixed_batches_and_single_pictures_are_left_in_peace(
    targets: torch.Tensor, shuffle: bool, size: int
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(targets, shuffle, size)
