"""Muon: orthogonal steps for filters, which keep their norm; SGD for the rest; learns, and saves its state."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from lensmith.fitting.muon import Muon, orthogonal
from lensmith.models.build import build


@pytest.mark.parametrize("shape", [(8, 27), (64, 27), (16, 144)])
def test_steps_are_nearly_orthogonal(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    stretched = matrix * torch.logspace(0, 1, shape[1])
    for one in (matrix, 1e-4 * matrix, stretched):
        values = torch.linalg.svdvals(orthogonal(one, rounds=8))
        assert float(values.min()) > 0.6 and float(values.max()) < 1.3
    assert torch.equal(orthogonal(torch.zeros(shape)), torch.zeros(shape))


def test_filters_keep_their_norm_and_frozen_ones_stay() -> None:
    torch.manual_seed(0)
    net = build("convnet", 4, 16)
    frozen = {name: p.clone() for name, p in net.named_parameters() if not p.requires_grad}
    optimizer = Muon(net, 0.2, 8)
    for _ in range(3):
        nn.functional.cross_entropy(net(torch.randn(8, 3, 16, 16)), torch.arange(8) % 4).backward()
        before = [(p, p.detach().clone()) for p in net.parameters() if p.ndim == 4 and p.requires_grad]
        optimizer.step()
        for p, old in before:
            assert not torch.equal(p, old)
            assert float(p.detach().norm()) == pytest.approx(len(p) ** 0.5, rel=0.3)
    assert frozen and all(torch.equal(p, dict(net.named_parameters())[name]) for name, p in frozen.items())


def test_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    net = build("convnet", 4, 16)
    pictures, targets = torch.randn(8, 3, 16, 16), torch.arange(8) % 4

    def train(model: nn.Module, optimizer: Muon) -> None:
        for _ in range(2):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(pictures), targets).backward()
            optimizer.step()

    optimizer = Muon(net, 0.1, 8)
    train(net, optimizer)
    other = copy.deepcopy(net)
    resumed = Muon(other, 0.1, 8)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(net, optimizer)
    train(other, resumed)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
