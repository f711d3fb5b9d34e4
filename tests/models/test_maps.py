"""Which layer still shows the picture's places, in networks of torchvision, timm and people's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer

from lensmith.errors import UsageError
from lensmith.models.build import build
from lensmith.models.maps import find_maps, last_maps

Make = Callable[[], nn.Module]


def tv(name: str) -> Make:
    return lambda: get_model(name, weights=None, num_classes=5)


def of_timm(name: str, **words: object) -> Make:
    return lambda: timm.create_model(name, pretrained=False, num_classes=5, **words)


def ours(name: str, size: int) -> Make:
    return lambda: build(name, 5, size)


SMALL_SWIN = {"depths": (2, 2), "embed_dim": 24, "num_heads": (2, 2)}
NETWORKS: dict[str, tuple[Make, tuple[int, int], tuple[int, int], str]] = {
    # make, size of the pictures, grid of the chosen layer, layout
    "tv resnet18": (tv("resnet18"), (128, 160), (4, 5), "NCHW"),
    "tv resnet18, small pictures": (tv("resnet18"), (64, 64), (4, 4), "NCHW"),
    "tv mobilenet_v3_small": (tv("mobilenet_v3_small"), (96, 96), (6, 6), "NCHW"),
    "tv squeezenet1_1": (tv("squeezenet1_1"), (96, 96), (5, 5), "NCHW"),
    "tv densenet121": (tv("densenet121"), (64, 64), (4, 4), "NCHW"),
    "tv vit": (lambda: VisionTransformer(32, 8, 2, 2, 32, 64, num_classes=5), (32, 32), (4, 4), "NTC"),
    "tv swin": (
        lambda: SwinTransformer([4, 4], 16, [2, 2], [2, 2], [4, 4], num_classes=5),
        (64, 64),
        (8, 8),
        "NCHW",
    ),
    "timm vit": (of_timm("vit_tiny_patch16_224", img_size=(64, 96), depth=2), (64, 96), (4, 6), "NTC"),
    "timm vit with registers": (
        of_timm("vit_small_patch14_reg4_dinov2", img_size=56, depth=2),
        (56, 56),
        (4, 4),
        "NTC",
    ),
    "timm deit, distilled": (
        of_timm("deit_tiny_distilled_patch16_224", img_size=64, depth=2),
        (64, 64),
        (4, 4),
        "NTC",
    ),
    "timm swin": (
        of_timm("swin_tiny_patch4_window7_224", img_size=112, **SMALL_SWIN),
        (112, 112),
        (14, 14),
        "NHWC",
    ),
    "timm convnext": (of_timm("convnext_atto"), (128, 128), (4, 4), "NCHW"),
    "timm mobilenetv3": (of_timm("mobilenetv3_small_050"), (128, 128), (4, 4), "NCHW"),
    "our convnet": (ours("convnet_tiny", 32), (32, 32), (7, 7), "NCHW"),
    "our Lite0": (ours("efficientnet_lite0", 128), (128, 128), (4, 4), "NCHW"),
    "the tutorial's": (ours("tutorial_net", 32), (32, 32), (4, 4), "NCHW"),
}


@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_chosen_layer_shows_the_places(name: str) -> None:
    make, size, grid, layout = NETWORKS[name]
    torch.manual_seed(0)
    images = torch.rand(1, 3, *size)
    network = make().eval()
    layers = find_maps(network, images)
    chosen = last_maps(layers)[0]
    assert (chosen.grid, chosen.layout) == (grid, layout)
    assert where_changed(network, layers[0].name, images) == "bottom left"


def where_changed(network: nn.Module, name: str, images: Tensor) -> str:
    """Change the bottom left of a picture: which places of the first layer see that, before any see all of it."""
    layer = next(one for one in find_maps(network, images) if one.name == name)
    other = images.clone()
    rows, columns = images.shape[2] // 8, images.shape[3] // 8
    other[:, :, -rows:, :columns] = 1 - other[:, :, -rows:, :columns]
    seen: list[Tensor] = []
    handle = layer.module.register_forward_hook(lambda _, given, output: seen.append(output.clone()))
    with torch.no_grad():
        network(images), network(other)
    handle.remove()
    first, second = layer.over_places(seen[0]), layer.over_places(seen[-1])
    changed = (first != second).any(dim=1)[0].nonzero().float().mean(dim=0) / torch.tensor(layer.grid)
    return f"{'top' if changed[0] < 0.5 else 'bottom'} {'left' if changed[1] < 0.5 else 'right'}"


class Own(nn.Module):
    """Patches by a reshape, tokens first and pictures second, a class token behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3 * 64, 16)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32)
        self.extra = nn.Parameter(torch.zeros(1, 1, 16))
        self.head = nn.Linear(16, 5)

    def forward(self, images: Tensor) -> Tensor:
        patches = images.unfold(2, 8, 8).unfold(3, 8, 8).permute(2, 3, 0, 1, 4, 5).flatten(3).flatten(0, 1)
        tokens = torch.cat([self.embed(patches), self.extra.expand(-1, images.shape[0], -1)])
        outputs: Tensor = self.head(self.layer(tokens)[-1])
        return outputs


def test_tokens_before_pictures_and_a_class_at_the_end() -> None:
    torch.manual_seed(0)
    found = last_maps(find_maps(Own().eval(), torch.rand(1, 3, 32, 48)))
    behind = next(layer for layer in found if layer.name.startswith("layer"))
    assert (behind.layout, behind.grid, behind.tokens) == ("TNC", (4, 6), tuple(range(24)))


def test_nothing_is_found_where_no_layer_shows_places() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 8), nn.ReLU(), nn.Linear(8, 3))
    assert last_maps(find_maps(flat, torch.rand(1, 3, 16, 16))) == []


def test_what_was_pooled_and_spread_again_is_passed_over() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 8, 1), nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(196, 2))
    assert [layer.grid for layer in find_maps(net, torch.rand(1, 3, 32, 32))] == [(4, 4)]


def test_a_network_that_fails_is_named_with_its_layer() -> None:
    with pytest.raises(UsageError, match="your net fails at 0"):
        find_maps(nn.Sequential(nn.Conv2d(1, 4, 3)), torch.rand(1, 3, 16, 16))


def test_the_network_is_left_as_it_was() -> None:
    net = build("convnet_tiny", 3, 32).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    find_maps(net, torch.rand(1, 3, 32, 32))
    assert net.training and not any(module._forward_hooks for module in net.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
