"""Weights that somebody trained become a bundle: tensor for tensor, answer for answer."""

from __future__ import annotations

import hashlib
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import timm.data
import torch
from PIL import Image
from safetensors.torch import save_file
from small_nets import scene
from torch import nn
from torchvision.models import ResNet18_Weights, resnet18

import lensmith as lm
from lensmith.bundle.facts import WEIGHTS
from lensmith.bundle.pack import preprocess_for
from lensmith.errors import ModelFileError, UsageError
from lensmith.models.published import origin_of_file, published, weights_file

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AvgPool2d(7), nn.Flatten(), nn.Linear(128, 3)
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
    assert "torch.nn.modules.container.Sequential" in bundle.facts.provenance["weights"]["pickled_names"]


def as_plain_pytorch(net: nn.Module, transform: Any, pictures: list[Image.Image]) -> Any:
    """Probabilities [N, outputs] as any tutorial computes them, with no part of lensmith."""
    with torch.inference_mode():
        return net.eval()(torch.stack([transform(picture) for picture in pictures])).softmax(1).numpy()


def farthest(bundle: lm.Bundle, wanted: Any, pictures: list[Image.Image]) -> float:
    rows = [dict(answer.top) for answer in bundle.predict(pictures)]
    found = np.array([[row[name] for name in bundle.classes] for row in rows])
    return float(np.abs(found - wanted).max())


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    """Pictures of several shapes, as Pillow has them."""
    sizes = [(300, 400), (257, 256), (150, 90), (640, 480)]
    return [Image.fromarray(scene(*size, seed)) for seed, size in enumerate(sizes)]


def test_torchvision_is_prepared_as_it_was_published(tmp_path: Path, photos: list[Image.Image]) -> None:
    torch.manual_seed(0)
    net = resnet18(num_classes=5)
    torch.save(net.state_dict(), tmp_path / "resnet.pth")
    bundle = lm.pack(tmp_path / "resnet.pth", "resnet18", classes=list("vwxyz"))
    assert (bundle.preprocess.size, bundle.preprocess.resize) == ((224, 224), 256)
    check(bundle, net)
    wanted = as_plain_pytorch(net, ResNet18_Weights.DEFAULT.transforms(), photos)
    assert farthest(bundle, wanted, photos) < 1e-5
    weights = bundle.facts.provenance["weights"]
    assert weights["licence"] == "unknown" and weights["file"] == "resnet.pth"
    assert "licence unknown" in repr(bundle)


def test_timm_is_prepared_as_it_was_published(tmp_path: Path, photos: list[Image.Image]) -> None:
    """A small vision transformer whose crop is 0.95 of a bicubic resize."""
    torch.manual_seed(0)
    net = timm.create_model("test_vit", num_classes=4)
    save_file(net.state_dict(), tmp_path / "vit.safetensors")
    bundle = lm.pack(tmp_path / "vit.safetensors", "test_vit", classes=list("abcd"), licence="CC-BY-4.0")
    check(bundle, net)
    config = timm.data.resolve_model_data_config(net)
    wanted = as_plain_pytorch(net, timm.data.create_transform(**config, is_training=False), photos)
    assert farthest(bundle, wanted, photos) < 1e-5
    assert bundle.facts.provenance["weights"]["licence"] == "CC-BY-4.0"


@pytest.mark.parametrize(
    "name",
    ["resnet50d", "vit_base_patch16_clip_224", "vit_base_patch16_siglip_224", "mobilenetv4_conv_small"],
)
def test_pixels_are_those_of_timm(name: str, photos: list[Image.Image]) -> None:
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    transform = timm.data.create_transform(**config, is_training=False)
    preprocess, _ = preprocess_for(name, Path("none"))
    scale, offset = preprocess.affine()
    for photo in photos:
        ours = np.moveaxis(preprocess(np.array(photo)) * scale + offset, -1, 0)
        np.testing.assert_allclose(ours, transform(photo).numpy(), atol=1e-5)


def test_a_crop_that_nothing_here_does_is_asked_for() -> None:
    """Squashed to more than the size, then cropped."""
    name = "vit_medium_patch16_gap_384"
    with pytest.raises(UsageError, match="--size and --fit"):
        preprocess_for(name, Path("none"))
    preprocess, source = preprocess_for(name, Path("none"), size=384, fit="squish")
    assert (preprocess.size, preprocess.fit) == ((384, 384), "squish")
    assert source.endswith("but for size, fit")


def test_the_file_itself_says_which_of_the_published_weights_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision's files begin in name as their sha256 does; resnet50 was published twice, prepared differently."""
    from torchvision.models import ResNet50_Weights

    file = tmp_path / "any name.pth"
    file.write_bytes(b"weights")
    begins = hashlib.sha256(b"weights").hexdigest()[:8]
    monkeypatch.setattr(ResNet50_Weights.IMAGENET1K_V1.value, "url", f"https://x/resnet50-{begins}.pth")
    preprocess, source = preprocess_for("resnet50", file)
    assert preprocess.resize == 256 and "IMAGENET1K_V1" in source
    file.write_bytes(b"other weights")
    preprocess, source = preprocess_for("resnet50", file)
    assert preprocess.resize == 232 and "IMAGENET1K_V2" in source


def test_the_packaged_weights_are_known_by_their_digest(tmp_path: Path) -> None:
    packaged = weights_file("efficientnet_lite0", published("efficientnet_lite0", 224))
    other = tmp_path / "lite0.pth"
    other.write_bytes(packaged.read_bytes())
    assert origin_of_file("efficientnet_lite0", other)["licence"] == "Apache-2.0"
    other.write_bytes(packaged.read_bytes() + b"x")
    assert origin_of_file("efficientnet_lite0", other)["licence"] == "unknown"


def test_an_own_network_says_itself_what_it_sees(tmp_path: Path) -> None:
    net, model = network(tmp_path)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    with pytest.raises(UsageError, match=r"nothing says what .*net.py:Net has to see"):
        lm.pack(tmp_path / "net.pth", model, classes=["a", "b", "c"])


def test_a_tutorials_network_pickled_whole(tmp_path: Path) -> None:
    """Its class lived in a notebook that is gone."""
    net, model = network(tmp_path)
    notebook = types.ModuleType("notebook_that_is_gone")
    exec(NET, notebook.__dict__)
    sys.modules[notebook.__name__] = notebook
    whole = notebook.Net()
    whole.load_state_dict(net.state_dict())
    torch.save(whole, tmp_path / "whole.pth")
    del sys.modules[notebook.__name__]
    bundle = lm.pack(tmp_path / "whole.pth", model, classes=["a", "b", "c"], preprocess=lm.Preprocess(32))
    check(bundle, net)
    assert "notebook_that_is_gone.Net" in bundle.facts.provenance["weights"]["pickled_names"]


def test_second_classifiers_of_training_stay_out(tmp_path: Path) -> None:
    """As in the files of torchvision's googlenet and inception_v3."""
    net, model = network(tmp_path)
    state = {**net.state_dict(), "aux1.fc.weight": torch.ones(3, 8), "aux1.fc.bias": torch.ones(3)}
    save_file(state, tmp_path / "net.safetensors")
    bundle = lm.pack(
        tmp_path / "net.safetensors", model, classes=["a", "b", "c"], preprocess=lm.Preprocess(32)
    )
    check(bundle, net)


def test_another_number_of_names_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_file(resnet18(num_classes=5).state_dict(), tmp_path / "resnet.safetensors")
    with pytest.raises(ModelFileError, match="has 5 rows, and 2 class names are given"):
        lm.pack(tmp_path / "resnet.safetensors", "resnet18", classes=["a", "b"], preprocess=lm.Preprocess(32))
