"""Explaining by a layer of the network: what it marks, in nets that look at one place, and when it is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from small_nets import Pixels, scene, smooth_net
from torch import nn
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.explaining.explain import explain, network_of, outputs_said
from lensmith.explaining.gradients import layer_heat
from lensmith.pictures.preprocess import Preprocess

SPOT = """
import torch
from torch import nn


def make(outputs):
    first, last = nn.Conv2d(3, 2, 4, 4), nn.Linear(2, outputs)
    with torch.no_grad():
        first.weight.fill_(1 / 48), first.bias.copy_(torch.tensor([-0.5, -2.0]))
        last.weight.zero_(), last.weight[-1, 0].fill_({weight}), last.bias.zero_()
    return nn.Sequential(first, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)
"""
"""Its last output is how many bright places there are."""


def bright_spot() -> Pixels:
    pixels = np.full((32, 32, 3), 30, np.uint8)
    pixels[20:28, 4:12] = 250
    return pixels


@pytest.fixture
def spot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of `SPOT`, in a folder where its code lies too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(SPOT.format(weight=60))
    return bundle_of_spot("classification").save(tmp_path / "spot.lens")


def bundle_of_spot(task: str) -> Bundle:
    from lensmith.models.build import build

    classes = [] if task == "regression" else ["dark", "bright"]
    net = build("net.py:make", max(1, len(classes)), 32)
    preprocess = Preprocess(32, mean=(0.0,) * 3, std=(1.0,) * 3)
    return Bundle(net, preprocess=preprocess, classes=classes, task=task, name="net.py:make")  # type: ignore[arg-type]


def test_the_place_that_the_answer_hangs_on_is_marked_and_holds(spot: Path) -> None:
    bundle = load_model(spot)
    network, why = network_of(bundle)
    found = explain(bundle, bright_spot(), network=network)
    assert (why, found.layer, found.output, found.is_flat) == ("", "1", 1, False)
    assert found.places.shape == (8, 8)
    inside = np.zeros((8, 8), bool)
    inside[5:7, 1:3] = True
    assert (found.places[inside] > 0.2).all() and not found.places[~inside].any()
    assert found.trust.holds and found.verdict().startswith("hiding what it marks takes")
    other = explain(bundle, bright_spot(), 0, network=network)
    assert other.output == 0 and other.is_flat and "do not trust" in other.verdict()


def test_of_a_number_what_pulls_it_down_counts_too(spot: Path) -> None:
    Path("net.py").write_text(SPOT.format(weight=-60))
    bundle = bundle_of_spot("regression")
    found = explain(bundle, bright_spot(), network=network_of(bundle)[0])
    assert found.places.min() < 0 == found.places.max()
    assert found.marked.max() > 0 and found.trust.holds
    assert "moves the number further" in found.verdict()


def test_code_that_changed_since_is_not_asked(spot: Path) -> None:
    Path("net.py").write_text(
        SPOT.replace("[-0.5, -2.0]", "[-0.5, -2.0]").replace("nn.ReLU()", "nn.Tanh()").format(weight=9)
    )
    bundle = load_model(spot)
    network, why = network_of(bundle)
    assert network is None and "net.py:make is no longer what the bundle was made of" in why
    found = explain(bundle, bright_spot(), network=network)
    assert found.layer == "" and found.largest is not None and found.largest > 0.2


def test_code_that_is_gone_and_a_network_without_a_name(spot: Path) -> None:
    Path("net.py").unlink()
    assert "net.py" in network_of(load_model(spot))[1]
    nameless = Bundle(smooth_net(), preprocess=Preprocess((24, 32)), classes=["a", "b", "c", "d"])
    network, why = network_of(nameless)
    assert network is None and "does not say where torch finds its network" in why
    assert explain(nameless, nameless.prepare(scene(50, 70)), network=network, draws=3).layer == ""


def test_each_label_that_is_said_is_explained(spot: Path) -> None:
    bundle = bundle_of_spot("multilabel")
    dark, both = np.full((32, 32, 3), 30, np.uint8), bright_spot()
    assert outputs_said(bundle, both) == [1, 0]  # a logit of 0 is one half
    assert outputs_said(bundle, dark) == [0, 1]


TRANSFORMERS = {
    "tv vit": (
        lambda: VisionTransformer(32, 8, 3, 2, 32, 64, num_classes=5),
        "encoder.layers.encoder_layer_2.ln_1",
    ),
    "timm vit": (
        lambda: timm.create_model("vit_tiny_patch16_224", img_size=64, depth=3, num_classes=5),
        "blocks.2.norm1",
    ),
    "tv swin": (lambda: SwinTransformer([4, 4], 16, [2, 2], [2, 2], [4, 4], num_classes=5), "permute"),
}


@pytest.mark.parametrize("name", list(TRANSFORMERS))
def test_tokens_that_the_answer_does_not_see_are_passed_over(name: str) -> None:
    """Behind the last attention a ViT's answer hangs on the class token alone."""
    torch.manual_seed(0)
    make, layer = TRANSFORMERS[name]
    network: nn.Module = make().eval()
    for parameter in network.parameters():  # torchvision's heads are zero until they are trained
        if not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    images = torch.rand(1, 3, 32, 32) if name == "tv vit" else torch.rand(1, 3, 64, 64)
    heat = layer_heat(network, images, 3)
    assert heat is not None and heat.layer == layer
    assert (heat.places != 0).all() and heat.places.std() > 0
    assert not any(parameter.grad is not None for parameter in network.parameters())
