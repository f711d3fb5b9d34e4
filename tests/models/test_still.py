"""What a trained network keeps when it goes on learning: the statistics of its norms, its one-channel filters."""

from __future__ import annotations

import copy

import torch
from torch import nn

from lensmith.models.lite0 import Lite0
from lensmith.models.still import hold_still


def trained_a_step(net: nn.Module) -> dict[str, bool]:
    """Whether each tensor of a copy was moved by a step, as a loop makes it."""
    net = copy.deepcopy(net)
    before = copy.deepcopy(net.state_dict())
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    net.train()
    draw = torch.Generator().manual_seed(0)
    net(torch.randn(4, 3, 64, 64, generator=draw)).square().mean().backward()
    optimizer.step()
    return {name: not torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items()}


def test_statistics_and_one_channel_filters_stay_and_all_else_learns() -> None:
    torch.manual_seed(0)
    net = Lite0(3)
    assert all(moved for name, moved in trained_a_step(net).items() if "running" in name)
    moved = trained_a_step(hold_still(net))
    still = {name for name in moved if "running" in name or "batches_tracked" in name or "conv_dw" in name}
    assert not any(moved[name] for name in still)
    assert all(moved[name] for name in set(moved) - still)


def test_a_norm_without_statistics_goes_on_as_it_is() -> None:
    net = hold_still(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)))
    assert net.train()[1].training
    net = hold_still(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    assert net.train().training
    assert not net[1].training
