"""Our own network: its whitened first layer, and the packed weight gradient of its filters."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lensmith.models.convnet import ConvNet
from lensmith.models.packed import PackedConv, side_by_side


@pytest.mark.parametrize(("count", "side"), [(37, 7), (100, 3), (16, 8), (1, 5), (3, 2)])
def test_the_packed_gradient_is_the_gradient(count: int, side: int) -> None:
    torch.manual_seed(0)
    ours, plain = PackedConv(8, 16, 3, padding=1, bias=False), nn.Conv2d(8, 16, 3, padding=1, bias=False)
    plain.load_state_dict(ours.state_dict())
    maps = torch.randn(count, 8, side, side).to(memory_format=torch.channels_last)
    inputs = maps.clone().requires_grad_(), maps.clone().requires_grad_()
    weight = torch.randn(count, 16, side, side)
    for net, given in zip((ours, plain), inputs, strict=True):
        with torch.autocast("cpu", torch.bfloat16):
            answer = net(given)
        (answer.float() * weight).sum().backward()
    for one, other in ((ours.weight.grad, plain.weight.grad), (inputs[0].grad, inputs[1].grad)):
        assert one is not None and other is not None
        assert float((one - other).abs().max()) <= 0.02 * float(other.abs().max())


def test_side_by_side_leaves_a_gap_and_loses_nothing() -> None:
    maps = torch.arange(1.0, 6 * 2 * 3 * 3 + 1).reshape(6, 2, 3, 3)
    wide = side_by_side(maps, 1)
    assert float(wide.sum()) == float(maps.sum())
    assert torch.equal(wide[0, :, :, :3], maps[0]) and torch.equal(wide[0, :, :, 4:7], maps[1])
    assert not wide[:, :, :, 3].any()


@pytest.mark.parametrize(("patch", "stride"), [(2, 1), (4, 2)])
def test_whitened_patches_vary_alike_in_all_directions(patch: int, stride: int) -> None:
    torch.manual_seed(0)
    smooth = nn.functional.avg_pool2d(torch.randn(400, 3, 34, 34), 3, 1)
    pictures = smooth * torch.tensor([1.0, 0.5, 0.2])[:, None, None]
    net = ConvNet(5, 32, patch=patch, stride=stride)
    net.whiten(pictures)
    responses = net.stem(pictures)
    half = net.stem.out_channels // 2
    assert torch.allclose(responses[:, :half], -responses[:, half:], atol=1e-4)
    flat = responses[:, :half].transpose(0, 1).flatten(1)
    spread = flat @ flat.T / flat.shape[1]
    assert float((spread - torch.diag(spread.diag())).abs().max()) < 0.15
    assert float(spread.diag().min()) > 0.4 and float(spread.diag().max()) < 1.2


def test_pictures_of_one_colour_can_be_whitened() -> None:
    net = ConvNet(2, 32)
    net.whiten(torch.full((20, 3, 32, 32), 0.3))
    assert net(torch.full((2, 3, 32, 32), 0.3)).isfinite().all()
