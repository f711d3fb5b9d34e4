"""Weights as people find them: what can be read is read, the rest ends in a word that names the file."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import get_model

from lensmith.errors import MachineError, ModelFileError
from lensmith.models.foreign import read_state

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def save(content: Any, path: Path, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def assert_same(state: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert list(state) == list(wanted)
    for name, tensor in wanted.items():
        assert type(state[name]) is Tensor
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor), name


@FORMATS
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"epoch": 3, "arch": "small", "state_dict": state, "optimizer": {"lr": 0.1}},
        lambda state: {"model": state, "best": 0.5},
        lambda state: {"model_state_dict": state, "loss": None},
        lambda state: {"net": state, "acc": 91.2, "epoch": 7},
        lambda state: {"model": None, "model_ema": state},
        lambda state: {"model": {"state_dict": state}},
        lambda state: OrderedDict((f"module.{name}", tensor) for name, tensor in state.items()),
        lambda state: {"state_dict": {f"module._orig_mod.{n}": t for n, t in state.items()}},
    ],
    ids=["bare", "state_dict", "model", "model_state_dict", "net", "ema", "twice", "parallel", "compiled"],
)
def test_state_dicts_wrapped_in_the_usual_ways(wrap: Any, zipped: bool, tmp_path: Path) -> None:
    wanted = small().state_dict()
    state, names = read_state(save(wrap(wanted), tmp_path / "a.pt", zipped))
    assert_same(state, dict(wanted))
    assert names == []


def test_safetensors_whatever_the_file_is_called(tmp_path: Path) -> None:
    wanted = {"a": torch.rand(2, 3), "b": torch.rand(4).bfloat16()}
    save_file(wanted, tmp_path / "weights.bin")
    state, names = read_state(str(tmp_path / "weights.bin"))
    assert_same(state, wanted)
    assert names == []


def test_torch_files_whatever_they_are_called(tmp_path: Path) -> None:
    for zipped in (True, False):
        path = save(small().state_dict(), tmp_path / "weights.safetensors", zipped)
        assert len(read_state(path)[0]) == 9


@FORMATS
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "swin_t", "vit_b_32"])
def test_whole_networks_of_torchvision(name: str, zipped: bool, tmp_path: Path) -> None:
    net = get_model(name, weights=None, num_classes=2)
    state, names = read_state(save(net, tmp_path / "net.pth", zipped))
    assert_same(state, dict(net.state_dict()))
    assert "torch.nn.modules.linear.Linear" in names
    assert any(n.startswith("torchvision.models.") for n in names)
    assert names == sorted(names)


@FORMATS
def test_a_whole_network_in_a_checkpoint_and_in_wrappers(zipped: bool, tmp_path: Path) -> None:
    net = small()
    path = save({"epoch": 1, "model": nn.DataParallel(net)}, tmp_path / "last.pt", zipped)
    state, names = read_state(path)
    assert_same(state, dict(net.state_dict()))
    assert "torch.nn.parallel.data_parallel.DataParallel" in names


@FORMATS
def test_tied_frozen_unset_and_passing_tensors_are_as_in_the_state_dict(zipped: bool, tmp_path: Path) -> None:
    net = small()
    net.twin = net[3]
    net[3].requires_grad_(False)
    net.register_parameter("unset", None)
    net.register_buffer("mean", torch.rand(3))
    net.register_buffer("scratch", torch.rand(3), persistent=False)
    state, _ = read_state(save(net, tmp_path / "net.pt", zipped))
    assert_same(state, dict(net.state_dict()))
    assert "scratch" not in state


MODULE = """
from pathlib import Path
from torch import nn
Path({canary!r}).write_text("imported")
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.act = nn.Linear(3, 4), nn.functional.relu
    def __setstate__(self, state):
        Path({canary!r}).write_text("set")
        self.__dict__.update(state)
"""


@FORMATS
def test_the_code_of_a_saved_network_is_neither_needed_nor_run(zipped: bool, tmp_path: Path) -> None:
    canary, source = tmp_path / "canary", tmp_path / "paper_net.py"
    source.write_text(MODULE.format(canary=str(canary)))
    spec = importlib.util.spec_from_file_location("paper_net", source)
    module = importlib.util.module_from_spec(spec)
    sys.modules["paper_net"] = module
    try:
        spec.loader.exec_module(module)
        net = module.Net()
        path = save(net, tmp_path / "net.pt", zipped)
        canary.unlink()
        for known in (True, False):  # with its class at hand, too
            state, names = read_state(path)
            assert_same(state, dict(net.state_dict()))
            assert "paper_net.Net" in names
            assert "torch.nn.functional.relu" in names
            if known:
                del sys.modules["paper_net"]
    finally:
        sys.modules.pop("paper_net", None)
    assert not canary.exists()


def test_what_the_process_allows_is_not_used_and_is_kept(tmp_path: Path) -> None:
    made = []

    class Settings:
        def __new__(cls) -> Settings:
            made.append(cls)
            return super().__new__(cls)

    Settings.__qualname__, Settings.__module__ = "Settings", "paper"
    sys.modules["paper"] = type(sys)("paper")
    sys.modules["paper"].Settings = Settings
    try:
        path = save({"args": Settings(), "model": small().state_dict()}, tmp_path / "a.pt")
    finally:
        del sys.modules["paper"]
    made.clear()
    with torch.serialization.safe_globals([Settings]):
        allowed = set(torch.serialization.get_safe_globals())
        assert read_state(path)[1] == ["paper.Settings"]
        assert set(torch.serialization.get_safe_globals()) == allowed
        assert made == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "holds no tensors"),
        ([torch.rand(2)], "holds a list"),
        (torch.rand(2), "holds a strided tensor|holds a .* tensor"),
        (3, "holds a int"),
        (nn.Sequential(), "holds no tensors"),
        (nn.CrossEntropyLoss(), "holds no tensors"),
        (torch.optim.SGD([nn.Parameter(torch.rand(1))]).state_dict(), "'state' is a dict"),
        ({"a": torch.rand(2), "b": [1, 2]}, "'b' is a list"),
        ({"a": np.ones(2)}, "'a' is a pickled numpy"),
        ({"a": torch.rand(2).to_sparse()}, "'a' is a sparse_coo tensor"),
        ({"a": torch.empty(2, device="meta")}, "'a' is a strided tensor on meta"),
        ({1: torch.rand(2)}, "'1' is"),
        (Path("a"), "holds a pickled pathlib"),
        ({"model": {"model": {"model": {"model": {}}}}}, "holds a dict"),
    ],
)
def test_what_is_no_state_is_refused(content: Any, words: str, tmp_path: Path) -> None:
    path = save(content, tmp_path / "thing.pt")
    with pytest.raises(ModelFileError, match=words) as caught:
        read_state(path)
    assert caught.value.message.startswith(f"{path}: ")


def test_modules_that_hold_one_another_end(tmp_path: Path) -> None:
    ring = small()
    ring.inner = nn.Sequential()
    ring.inner._modules["outer"] = ring
    with pytest.raises(ModelFileError, match="without end"):
        read_state(save(ring, tmp_path / "ring.pt"))
    fan = nn.Sequential(nn.Linear(1, 1))
    for _ in range(40):  # 2 ** 40 names
        fan = nn.Sequential(fan, fan)
    with pytest.raises(ModelFileError, match="without end"):
        read_state(save(fan, tmp_path / "fan.pt"))


def test_torchscript_is_named(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    with warnings.catch_warnings(action="ignore"):  # torch calls its own format outdated
        torch.jit.save(torch.jit.trace(small(), torch.rand(1, 3, 4, 4)), path)
    with pytest.raises(ModelFileError, match="a TorchScript program"):
        read_state(path)


def test_an_old_torch_does_not_read_foreign_pickles(monkeypatch: Any, tmp_path: Path) -> None:
    path = save(small().state_dict(), tmp_path / "a.pt")
    save_file(small().state_dict(), tmp_path / "a.safetensors")
    monkeypatch.setattr(torch, "__version__", "2.9.1+cu128")
    with pytest.raises(MachineError, match=r"torch 2\.9\.1\+cu128 cannot read"):
        read_state(path)
    assert len(read_state(tmp_path / "a.safetensors")[0]) == 9
    monkeypatch.setattr(torch, "__version__", "2.10.0+cpu")
    assert len(read_state(path)[0]) == 9
