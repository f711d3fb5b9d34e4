"""What `fit` takes for a loss, and what it refuses because PyTorch would broadcast it in silence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_parts import loader, pictures, plain_net, same, sgd
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import TensorDataset

from lensmith.errors import UsageError
from lensmith.fitting.fit import fit


def trained(loss: Callable[..., Any], net: nn.Module | None = None) -> nn.Module:
    """The plain network after two passes with this loss."""
    net = plain_net() if net is None else net
    fit(net, loader(), loss=loss, optimizer=sgd(net), epochs=2).run()
    return net


def shaped(*shape: int, dtype: torch.dtype = torch.float32) -> TensorDataset:
    """Eight pictures with targets of this shape for each."""
    return TensorDataset(torch.ones(8, 3, 4, 4), torch.zeros(8, *shape, dtype=dtype))


def trained_on(data: TensorDataset, net: nn.Module, loss: Any) -> None:
    fit(net, loader(data, size=8), loss=loss, optimizer=sgd(net), epochs=1).run()


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(reduction="none"), functional.cross_entropy])
def test_one_number_per_picture_is_averaged_and_a_mean_is_taken_as_it_is(loss: Any) -> None:
    assert same(trained(loss), trained(nn.CrossEntropyLoss()))


def test_a_sum_is_taken_as_it_is() -> None:
    assert not same(trained(nn.CrossEntropyLoss(reduction="sum")), trained(nn.CrossEntropyLoss()))


def test_class_weights_count_and_stay_what_they_were() -> None:
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.1]), label_smoothing=0.1)
    before, net = copy.deepcopy(loss), trained(loss)
    assert not same(net, trained(nn.CrossEntropyLoss(label_smoothing=0.1)))
    assert loss.weight is not None and torch.equal(loss.weight, before.weight)
    assert vars(loss).keys() == vars(before).keys() and loss.training == before.training
    expected, optimizer = plain_net(), None
    optimizer, batches = sgd(expected), loader()
    for _ in range(2):
        for images, targets in batches:
            optimizer.zero_grad()
            before(expected(images), targets).backward()
            optimizer.step()
    assert same(net, expected)


@pytest.mark.gpu
def test_class_weights_follow_the_network_to_the_gpu() -> None:
    net, loss = plain_net().cuda(), nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.1]))
    trained(loss, net)
    assert loss.weight is not None and loss.weight.device.type == "cpu"


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.L1Loss(), lambda x, y: ((x - y) ** 2).mean()])
def test_a_column_against_a_row_is_refused_with_both_shapes(loss: Any) -> None:
    with pytest.raises(UsageError) as caught:
        trained_on(shaped(), plain_net(1), loss)
    assert "[8, 1]" in caught.value.message and "[8]" in caught.value.message
    assert "squeeze(1)" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "outputs", "loss"),
    [
        (shaped(1), 1, nn.MSELoss()),
        (shaped(3), 3, nn.BCEWithLogitsLoss()),
        (shaped(3), 3, nn.CrossEntropyLoss()),
        (shaped(dtype=torch.int64), 3, nn.CrossEntropyLoss()),
        (shaped(dtype=torch.int64), 3, nn.MultiMarginLoss()),
    ],
)
def test_shapes_that_belong_together_pass(data: TensorDataset, outputs: int, loss: nn.Module) -> None:
    trained_on(data, plain_net(outputs), loss)


class Mixing(nn.Module):
    """The tutorial's slip: everything flattened, the batch too."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows
        self.head = nn.Linear(64 * 48 // rows, 10)

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.head(images.reshape(self.rows, -1))
        return outputs


@pytest.mark.parametrize("rows", [1, 16])
def test_a_net_that_mixes_pictures_is_told_how_to_flatten(rows: int) -> None:
    net = Mixing(rows)
    with pytest.raises(UsageError, match=rf"gives {rows} rows for 64 pictures\n.*flatten\(1\)"):
        fit(net, loader(pictures(64), 64), loss=nn.CrossEntropyLoss(), optimizer=sgd(net), epochs=1).run()


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda outputs, targets: 0.5, "gave a float, not a tensor"),
        (
            lambda outputs, targets: outputs,
            r"gave \[4, 3\] for 4 pictures\nReturn one number per picture, \[4\]",
        ),
        (lambda outputs, targets: outputs.sum(0), r"gave \[3\] for 4 pictures"),
    ],
)
def test_a_loss_of_another_form_is_named(loss: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        trained(loss)


def test_own_targets_go_through_to_an_own_loss() -> None:
    """Two heads, two targets: fit carries what the parts of a user agree on."""

    class TwoHeads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = plain_net(2), plain_net(3)

        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {"one": self.one(images), "two": self.two(images)}

    def both(outputs: dict[str, Tensor], targets: Tensor) -> Tensor:
        one = functional.cross_entropy(outputs["one"], targets.clamp(max=1))
        return one + functional.cross_entropy(outputs["two"], targets)

    net = TwoHeads()
    epochs = fit(net, loader(), loss=both, optimizer=sgd(net), epochs=3).run()
    assert epochs[-1].train_loss < epochs[0].train_loss
