"""What `summary` says of networks as people write them, right and wrong."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from lensmith.errors import UsageError
from lensmith.models.build import build
from lensmith.models.summary import summary


class Guide(nn.Module):
    """The guide's first net: a whole batch flattened by hand goes into one Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.linear1 = nn.Linear(196608, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear1(x)


class Reshaping(Guide):
    def forward(self, x: Tensor) -> Tensor:
        return self.linear1(torch.reshape(x, (1, 1, 1, -1)))


class Flattening(Guide):
    def forward(self, x: Tensor) -> Tensor:
        return self.linear1(torch.flatten(x))


class Small(nn.Module):
    """A net of the usual kind, with the in_features of its first Linear open."""

    def __init__(self, features: int = 1024, channels: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.drop = nn.Dropout(0.5)
        self.pool = nn.MaxPool2d(4)
        self.fc1 = nn.Linear(features, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.norm(self.conv(x)))).flatten(1)
        return self.fc2(self.drop(torch.relu(self.fc1(x))))


def test_the_table_of_the_guides_net() -> None:
    found = summary(build("tutorial_net", 10, 32), (3, 32, 32))
    assert found.total == found.trainable == 145_578
    assert found.output_shape == (10,)
    rows = [(layer.name, layer.kind, layer.shape[1:], layer.parameters) for layer in found.layers]
    assert rows[0] == ("model.0", "Conv2d", (32, 32, 32), 2432)
    assert rows[-3:] == [
        ("model.6", "Flatten", (1024,), 0),
        ("model.7", "Linear", (64,), 65_600),
        ("model.8", "Linear", (10,), 650),
    ]
    assert sum(layer.parameters for layer in found.layers) == found.total
    lines = str(found).splitlines()
    assert lines[0].split() == ["layer", "type", "output", "parameters"]
    assert lines[2].split(None, 2)[:2] == ["model.0", "Conv2d"]
    assert "[N, 32, 32, 32]" in lines[2]
    assert lines[2].endswith("2,432")
    assert lines[-1] == "145,578 parameters, 145,578 of them trainable; [3, 32, 32] -> [10] for one picture"
    assert len({len(line) for line in lines[2:-2]}) == 1, "columns are straight"


def test_a_notebook_shows_a_table_with_names_escaped() -> None:
    net = nn.Sequential()
    net.add_module("<b>", nn.Flatten())
    page = summary(net)._repr_html_()
    assert page.count("<tr>") == 2
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_the_net_is_left_as_it_was() -> None:
    net = Small().train()
    net.drop.eval()
    modes = {name: module.training for name, module in net.named_modules()}
    state = copy.deepcopy(net.state_dict())
    numbers = torch.get_rng_state()
    summary(net)
    assert {name: module.training for name, module in net.named_modules()} == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), numbers)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert all(p.grad is None for p in net.parameters())


def test_frozen_shared_and_unused_weights_are_counted_once() -> None:
    net = Small()
    net.fc1.requires_grad_(False)
    net.twin = net.fc2
    net.unused = nn.Linear(3, 3, bias=False)
    found = summary(net)
    assert found.total == sum(p.numel() for p in net.parameters())
    assert found.total - found.trainable == 1024 * 32 + 32
    assert sum(layer.parameters for layer in found.layers) == found.total
    assert (found.layers[-1].name, found.layers[-1].shape) == ("unused", ())


def test_weights_of_a_module_with_parts_are_listed() -> None:
    found = summary(build("vit_b_32", 10, 64), (3, 64, 64))
    own = {layer.name: layer.parameters for layer in found.layers}
    assert own["VisionTransformer"] == 768  # the class token
    assert own["encoder"] == (4 + 1) * 768  # the positions
    assert sum(own.values()) == found.total


def test_a_net_in_half_precision_and_a_lazy_one() -> None:
    assert summary(Small().bfloat16()).output_shape == (10,)
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(4))
    assert summary(lazy).total == 3072 * 4 + 4


@pytest.mark.parametrize("net", [Guide, Reshaping, Flattening])
def test_a_linear_for_a_whole_batch_is_recognised(net: type[nn.Module]) -> None:
    with pytest.raises(UsageError) as caught:
        summary(net())
    assert caught.value.message == "your net mixes the pictures of a batch: 1 row for 64; use flatten(1)", (
        caught.value
    )
    assert "linear1 should be Linear(3072, 10)" in caught.value.hint


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (1, -1))), "1 row for 2"),
        (nn.Sequential(nn.Flatten(0)), "1 row for 2"),
        (nn.Sequential(nn.Unflatten(2, (2, 16)), nn.Flatten(0, 2), nn.Flatten(1)), "12 rows for 2"),
    ],
)
def test_an_output_with_other_rows_is_refused(net: nn.Module, words: str) -> None:
    with pytest.raises(UsageError, match=f"mixes the pictures of a batch: {words}; use flatten"):
        summary(net)


def test_one_number_per_picture_is_a_row() -> None:
    class Number(Small):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).mean(1)

    assert summary(Number()).output_shape == ()


def test_a_linear_of_the_wrong_size_is_named_with_the_right_one() -> None:
    with pytest.raises(UsageError) as caught:
        summary(Small(features=400))
    assert caught.value.message == "fc1 is Linear(400, 32) and gets 1024 features per picture"
    assert caught.value.hint == "Make it Linear(1024, 32)."
    assert summary(Small(1024)).output_shape == (10,)


def test_a_multiple_of_the_right_size_is_no_mixing() -> None:
    with pytest.raises(UsageError, match="gets 1024 features per picture"):
        summary(Small(features=2048))


def test_a_missing_flatten_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        summary(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4096, 10)))
    assert caught.value.message == "1 gets [2, 4, 32, 32] where it needs rows of 4096"
    assert "flatten(1)" in caught.value.hint


def test_another_failure_names_its_layer() -> None:
    with pytest.raises(UsageError) as caught:
        summary(Small(channels=1))
    assert "your net fails at conv on pictures of [3, 32, 32]" in caught.value.message
    assert "Conv2d(1, 16" in caught.value.hint


def test_hooks_and_modes_are_restored_after_a_failure() -> None:
    net = Small(features=400).train()
    with pytest.raises(UsageError):
        summary(net)
    assert net.training
    assert net.fc1.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
