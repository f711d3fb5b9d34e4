"""Weights that somebody trained become a bundle: tensor for tensor, answer for answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import resnet18

import lensmith as lm
from lensmith.bundle.facts import WEIGHTS
from lensmith.errors import ModelFileError

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 3)
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        return self.body(x)
"""
PICTURES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def network(place: Path) -> tuple[nn.Module, str]:
    file = place / "net.py"
    file.write_text(NET)
    names: dict[str, type[nn.Module]] = {}
    exec(NET, names)
    torch.manual_seed(0)
    return names["Net"](), f"{file}:Net"


def check(bundle: lm.Bundle, net: nn.Module, side: int = 32) -> None:
    """Equal tensors, and the answers of plain PyTorch."""
    from safetensors.torch import load

    kept = load(bundle.files[WEIGHTS])
    for name, tensor in net.state_dict().items():
        assert torch.equal(kept[name], tensor), name
    pixels = np.stack([bundle.prepare(picture) for picture in PICTURES])
    scale, offset = bundle.preprocess.affine()
    images = torch.from_numpy(np.moveaxis(pixels * scale + offset, -1, 1).astype(np.float32))
    with torch.no_grad():
        wanted = net.eval()(images).softmax(1).numpy()
    for answer, row in zip(bundle.predict(list(PICTURES)), wanted, strict=True):
        assert dict(answer.top) == pytest.approx(
            {name: float(row[bundle.classes.index(name)]) for name, _ in answer.top}, abs=1e-5
        )


def test_a_state_dict_and_safetensors(tmp_path: Path) -> None:
    net, model = network(tmp_path)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    for name in ("net.pth", "net.safetensors"):
        bundle = lm.pack(tmp_path / name, model, classes=["a", "b", "c"], preprocess=lm.Preprocess(32))
        check(bundle, net)
        bundle.save(tmp_path / "x.lens")
        check(lm.load_model(tmp_path / "x.lens"), net)


def test_a_whole_pickled_network_whose_class_is_not_there(tmp_path: Path) -> None:
    net, model = network(tmp_path)
    tutorial = nn.Sequential(net.body)  # plain modules: torch can pickle them whatever made them
    torch.save(tutorial, tmp_path / "whole.pth")
    with pytest.raises(ModelFileError, match="not weights of this network"):
        lm.pack(tmp_path / "whole.pth", model, classes=["a", "b", "c"], preprocess=lm.Preprocess(32))
    torch.save(net.body, tmp_path / "body.pth")
    (tmp_path / "body.py").write_text(NET + "\n\ndef make():\n    return Net().body\n")
    bundle = lm.pack(
        tmp_path / "body.pth",
        f"{tmp_path}/body.py:make",
        classes=["a", "b", "c"],
        preprocess=lm.Preprocess(32),
    )
    check(bundle, net.body)
    assert "torch.nn.modules.container.Sequential" in bundle.facts.provenance["pickled_names"]


def test_torchvision_by_name(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = resnet18(num_classes=5)
    save_file(net.state_dict(), tmp_path / "resnet.safetensors")
    names = ["v", "w", "x", "y", "z"]
    check(
        lm.pack(tmp_path / "resnet.safetensors", "resnet18", classes=names, preprocess=lm.Preprocess(32)), net
    )


def test_another_number_of_names_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_file(resnet18(num_classes=5).state_dict(), tmp_path / "resnet.safetensors")
    with pytest.raises(ModelFileError, match="has 5 rows, and 2 class names are given"):
        lm.pack(tmp_path / "resnet.safetensors", "resnet18", classes=["a", "b"], preprocess=lm.Preprocess(32))
