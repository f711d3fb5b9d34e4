"""Fitting networks of 1000 classes to a task: the last layer replaced, or one more behind it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from lensmith.errors import UsageError
from lensmith.models.build import build
from lensmith.models.heads import append_head, find_head, replace_head
from lensmith.models.summary import summary

HEADS = {
    "resnet18": "fc",
    "vgg11": "classifier.6",
    "vgg16": "classifier.6",
    "alexnet": "classifier.6",
    "mobilenet_v2": "classifier.1",
    "mobilenet_v3_small": "classifier.3",
    "efficientnet_b0": "classifier.1",
    "convnext_tiny": "classifier.2",
    "vit_b_16": "heads.head",
    "swin_t": "head",
    "densenet121": "classifier",
    "squeezenet1_1": "classifier.1",
    "googlenet": "fc",
    "inception_v3": "fc",
    "shufflenet_v2_x0_5": "fc",
    "mnasnet0_5": "classifier.1",
    "maxvit_t": "classifier.5",
}


@pytest.mark.parametrize(("name", "head"), HEADS.items())
def test_the_last_layer_of_torchvision_networks_is_found(name: str, head: str) -> None:
    with torch.device("meta"):
        net = build(name, 1000, 224)
        found, layer = find_head(net)
        assert found == head
        assert (layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels) == 1000
        assert replace_head(net, 7) is net
        side = 299 if name == "inception_v3" else 224
        assert net.eval()(torch.empty(2, 3, side, side)).shape == (2, 7)


def test_both_ways_of_the_guide_for_vgg16() -> None:
    with torch.device("meta"):
        images = torch.empty(2, 3, 224, 224)
        replaced = replace_head(get_model("vgg16", weights=None), 10)
        appended = append_head(get_model("vgg16", weights=None), 10)
        assert replaced(images).shape == appended(images).shape == (2, 10)
        assert replaced.get_submodule("classifier.6").weight.shape == (10, 4096)
        assert appended[1].weight.shape == (10, 1000)


def test_only_the_last_layer_changes_and_it_learns() -> None:
    net = build("squeezenet1_1", 1000, 64).requires_grad_(False).double().eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    replace_head(net, 3)
    changed = [name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])]
    assert changed == ["classifier.1.weight", "classifier.1.bias"]
    assert [name for name, p in net.named_parameters() if p.requires_grad] == changed
    assert net(torch.rand(2, 3, 64, 64, dtype=torch.float64)).shape == (2, 3)
    assert not any(module.training for module in net.modules())


@pytest.mark.parametrize("name", ["efficientnet_lite0", "convnet", "tutorial_net"])
def test_our_own_networks(name: str) -> None:
    net = build(name, 10, 32).eval()
    replaced, appended = replace_head(net, 4), append_head(build(name, 10, 32), 4)
    images = torch.rand(2, 3, 32, 32)
    assert replaced(images).shape == appended.eval()(images).shape == (2, 4)


@pytest.mark.parametrize("name", ["resnet10t", "convnext_atto", "vit_tiny_patch16_224", "levit_128s"])
def test_networks_of_timm(name: str) -> None:
    timm = pytest.importorskip("timm")
    images = torch.rand(2, 3, 224, 224)
    assert replace_head(timm.create_model(name), 4).eval()(images).shape == (2, 4)
    assert append_head(timm.create_model(name), 4).eval()(images).shape == (2, 4)


def test_a_layer_without_bias_stays_without() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 5, bias=False))
    assert [list(p.shape) for p in replace_head(net, 2).parameters()] == [[6, 12], [6], [2, 6]]


def test_a_named_head_is_preferred_to_what_was_made_last() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 1000))
            self.attention = nn.MultiheadAttention(8, 2)
            self.inner = nn.Linear(8, 8)

    assert find_head(Net())[0] == "head.1"
    assert find_head(nn.Sequential(nn.Linear(8, 5), nn.MultiheadAttention(5, 1)))[0] == "0"


def test_a_net_without_such_a_layer_is_refused() -> None:
    for fit in (replace_head, append_head):
        with pytest.raises(UsageError, match="Sequential has no Linear"):
            fit(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), 2)
        with pytest.raises(UsageError, match="0 outputs"):
            fit(nn.Sequential(nn.Linear(3, 3)), 0)


def test_a_replaced_head_is_seen_by_the_summary() -> None:
    assert summary(replace_head(build("tutorial_net", 10, 32), 3)).output_shape == (3,)
