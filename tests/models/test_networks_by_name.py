"""`build`: a network by its name, or by the function of somebody's own file."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from lensmith.errors import UsageError
from lensmith.models.build import build
from lensmith.models.convnet import ConvNet


def answers(net: nn.Module, size: int) -> tuple[int, ...]:
    """The shape of what a network gives for two pictures, without a warning."""
    with torch.inference_mode():
        return tuple(net.eval()(torch.zeros(2, 3, size, size)).shape)


@pytest.mark.parametrize("size", [8, 28, 32, 64, 96, 128])
def test_our_net_takes_any_size(size: int) -> None:
    net = build("convnet", 5, size)
    assert isinstance(net, ConvNet)
    assert answers(net, size) == (2, 5)
    net.train()(torch.randn(2, 3, size, size)).sum().backward()
    trained = [p for p in net.parameters() if p.requires_grad]
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in trained)


def test_our_net_keeps_the_pictures_of_a_batch_apart() -> None:
    net, pictures = build("convnet", 3, 28).eval(), torch.randn(5, 3, 28, 28)
    alone = torch.cat([net(picture[None]) for picture in pictures])
    assert torch.allclose(net(pictures), alone, atol=1e-5)


def test_a_name_of_torchvision() -> None:
    assert answers(build("squeezenet1_1", 7, 64), 64) == (2, 7)


def test_a_network_with_side_exits_trains_like_the_others() -> None:
    """One tensor, for the loss; no words about weights of long ago."""
    net = build("googlenet", 4, 64)
    assert isinstance(net.train()(torch.randn(2, 3, 64, 64)), torch.Tensor)


@pytest.mark.parametrize("name", ["raft_large", "r3d_18", "fasterrcnn_resnet50_fpn", "deeplabv3_resnet50"])
def test_what_classifies_no_pictures_is_no_model(name: str) -> None:
    with pytest.raises(UsageError, match=f"no model is called '{name}'"):
        build(name, 2, 64)


@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")
def test_a_name_of_timm() -> None:
    assert answers(build("test_resnet", 5, 64), 64) == (2, 5)


@pytest.mark.parametrize(
    ("name", "near"), [("convnt", "convnet"), ("resnet_18", "resnet18"), ("vgg61", "vgg16")]
)
def test_a_name_with_a_slip_is_told_the_near_ones(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"no model is called '{name}'") as caught:
        build(name, 2, 64)
    assert near in caught.value.hint


@pytest.mark.parametrize("name", ["", "qqqqqqqqqqqq", "../resnet18"])
def test_a_name_of_nobody_is_told_what_names_there_are(name: str) -> None:
    with pytest.raises(UsageError, match=r"file\.py:function|Did you mean"):
        build(name, 2, 64)


OWN = """
from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass
class Shape:
    outputs: int


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3 * 8 * 8, 10)

    def forward(self, images):
        return self.head(images.flatten(1))


def make_net(outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, Shape(outputs).outputs))


def words(outputs):
    return "a network"


def broken(outputs):
    return nn.Linear("many", outputs)


_hidden = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """`net.py` in a folder whose name has a colon and a space."""
    folder = tmp_path / "my nets: new"
    folder.mkdir()
    (folder / "net.py").write_text(OWN)
    return folder / "net.py"


def test_a_function_of_an_own_file(own: Path) -> None:
    path = list(sys.path)
    assert answers(build(f"{own}:make_net", 6, 8), 8) == (2, 6)
    assert sys.path == path and "net" not in sys.modules


def test_a_class_of_a_tutorial_takes_nothing(own: Path) -> None:
    assert answers(build(f"{own}:Net", 10, 8), 8) == (2, 10)


def test_an_own_file_named_like_a_package_takes_nobodys_place(own: Path) -> None:
    (own.parent / "torch.py").write_text(OWN.replace("outputs))", "outputs))  # another"))
    build(f"{own.parent}/torch.py:make_net", 6, 8)
    assert sys.modules["torch"] is torch


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("make_nets", r"has no make_nets\nIt has .*make_net"),
        ("_hidden", "_hidden is a int, not a function or class"),
        ("", "has no "),
        ("words", r"words\(3\) gave a str, not an nn\.Module"),
        ("broken", r"broken\(3\) failed \(TypeError: .*\n.*number of outputs"),
    ],
)
def test_a_function_that_makes_no_network_is_named(own: Path, function: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        build(f"{own}:{function}", 3, 8)
    assert f"{own}:{function}" in caught.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def make_net(outputs)", "SyntaxError"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_file_that_python_cannot_run_is_named_with_the_reason(own: Path, text: str, words: str) -> None:
    own.write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        build(f"{own}:make_net", 3, 8)
    assert str(own) in caught.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file .*none\.py"):
        build(f"{tmp_path}/none.py:make_net", 3, 8)
