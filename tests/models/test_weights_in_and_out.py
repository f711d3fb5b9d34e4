"""Weights as safetensors: what goes out comes in again, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import nn

from lensmith.errors import ModelFileError
from lensmith.models.weights import load_weights, weights_bytes


def net(width: int = 5, seed: int = 0) -> nn.Module:
    """A convolution, a norm with running statistics, and two layers that share their weight."""
    torch.manual_seed(seed)
    first, second = nn.Linear(width, width), nn.Linear(width, width)
    second.weight = first.weight
    made = nn.Sequential(nn.Conv2d(3, width, 2), nn.BatchNorm2d(width), nn.Flatten(), first, second)
    made(torch.randn(4, 3, 2, 2))  # moves the statistics
    return made.eval()


def test_weights_come_back_bit_for_bit(tmp_path: Path) -> None:
    source, pictures = net(), torch.randn(3, 3, 2, 2)
    content = weights_bytes(source)
    (tmp_path / "w.safetensors").write_bytes(content)
    for given in (content, tmp_path / "w.safetensors"):
        target = net(seed=1)
        assert not torch.equal(target(pictures), source(pictures))
        load_weights(target, given)
        assert torch.equal(target(pictures), source(pictures))
        assert all(torch.equal(v, target.state_dict()[k]) for k, v in source.state_dict().items())
    assert weights_bytes(target) == content


def test_layers_that_share_a_weight_still_share_it() -> None:
    target = net(seed=1)
    load_weights(target, weights_bytes(net()))
    assert target[3].weight is target[4].weight


def test_what_is_written_does_not_follow_the_network() -> None:
    source = net()
    content = weights_bytes(source)
    before = bytes(content)
    with torch.no_grad():
        source[0].weight.add_(1)
    assert content == before != weights_bytes(source)


def test_a_layout_in_memory_makes_no_difference() -> None:
    source = nn.Sequential(nn.Conv2d(3, 4, 2))
    content = weights_bytes(source)
    assert weights_bytes(source.to(memory_format=torch.channels_last)) == content


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("0.bias"), r"lacks 0\.bias$"),
        (lambda state: state.update(extra=torch.zeros(1)), r"has, and the model lacks, extra$"),
        (lambda state: state.update({"1.weight": torch.zeros(4)}), r"has another shape for 1\.weight$"),
        (lambda state: [state.pop(name) for name in list(state)[:5]], r"lacks .*, .*, .* \.\.\.$"),
    ],
)
def test_weights_of_another_network_are_refused_and_change_nothing(change: object, words: str) -> None:
    target, state = net(seed=1), {k: v.clone() for k, v in net().state_dict().items()}
    before = weights_bytes(target)
    assert callable(change)
    change(state)
    with pytest.raises(ModelFileError, match=f"my.file: not weights of this model: {words}"):
        load_weights(target, save(state), "my.file")
    assert weights_bytes(target) == before


def test_wider_weights_are_refused() -> None:
    with pytest.raises(ModelFileError, match="has another shape for"):
        load_weights(net(5), weights_bytes(net(6)))


@pytest.mark.parametrize("content", [b"", b"\x80\x04}.", b"PK\x03\x04" + bytes(40), b"<html>" * 9])
def test_another_kind_of_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"w\.pt: not safetensors, or damaged"):
        load_weights(net(), tmp_path / "w.pt")


@pytest.mark.parametrize("length", [4, 60, -1])
def test_a_file_that_was_cut_off_is_refused(length: int) -> None:
    with pytest.raises(ModelFileError, match="damaged"):
        load_weights(net(), weights_bytes(net())[:length])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"none\.safetensors: cannot be read"):
        load_weights(net(), tmp_path / "none.safetensors")
