"""`evaluate`: any network on any loader, left as it was found."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from lensmith.errors import DataError
from lensmith.evaluation.evaluate import evaluate
from lensmith.types import Batch


class Echo(nn.Module):
    """A network whose outputs are what its pictures hold."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


LOGITS = torch.tensor([[2.0, 0, 0], [0, 1, 0], [0, 0, 3], [5, 0, 0], [0, 4, 0], [0, 1, 0], [1, 0, 0]])
TARGETS = torch.tensor([0, 1, 2, 1, 1, 2, 0])  # five of seven are right


class Named(TensorDataset):
    """Three outputs as pictures, with names for the classes."""

    classes = ("ant", "bee", "cat")


def loader(size: int = 3, **options: Any) -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(Named(LOGITS, TARGETS), size, **options)


def test_accuracy_is_what_one_counts_by_hand() -> None:
    report = evaluate(Echo(), loader())
    assert report.count == 7
    assert report["accuracy"].value == 5 / 7
    assert report["balanced_accuracy"].value == pytest.approx((1 + 2 / 3 + 1 / 2) / 3)
    losses = [-math.log(row.softmax(0)[target]) for row, target in zip(LOGITS, TARGETS, strict=True)]
    assert report["log_loss"].value == pytest.approx(sum(losses) / 7)


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_the_size_of_the_batches_changes_no_figure(size: int) -> None:
    assert evaluate(Echo(), loader(size)) == evaluate(Echo(), loader())


def test_names_come_from_the_data_set_unless_given() -> None:
    assert evaluate(Echo(), loader()).classes == ["ant", "bee", "cat"]
    assert evaluate(Echo(), loader(), classes=["x", "y", "z"]).classes == ["x", "y", "z"]
    unnamed: Dataset[tuple[Tensor, ...]] = TensorDataset(LOGITS, TARGETS)
    assert evaluate(Echo(), DataLoader(unnamed, 4)).classes == ["0", "1", "2"]


def test_padding_is_not_counted() -> None:
    padded = [
        Batch(LOGITS[:5], TARGETS[:5], torch.tensor([True] * 5)),
        Batch(LOGITS[[5, 6, 0, 0, 0]], torch.tensor([2, 0, 1, 1, 1]), torch.tensor([True] * 2 + [False] * 3)),
    ]
    expected = evaluate(Echo(), loader())
    assert evaluate(Echo(), padded, classes=Named.classes) == expected


def test_every_part_gets_back_the_mode_that_it_had() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, 2)
    )
    net[1].eval()  # as whoever fine-tunes with frozen statistics has it
    modes = [part.training for part in net.modules()]
    state = {name: value.clone() for name, value in net.state_dict().items()}
    seen = []
    hook = net[2].register_forward_hook(lambda part, *_: seen.append(part.training))
    data = DataLoader(TensorDataset(torch.randn(6, 3, 2, 2), torch.tensor([0, 1] * 3)), 4)
    assert evaluate(net, data) == evaluate(net, data)
    hook.remove()
    assert not any(seen)
    assert [part.training for part in net.modules()] == modes == [True, True, False, True, True, True]
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def test_modes_come_back_after_a_failure_too() -> None:
    net = nn.Sequential(nn.Linear(9, 2), nn.Dropout())
    with pytest.raises(RuntimeError):
        evaluate(net, loader())
    assert net.training and net[1].training


def test_measuring_in_the_middle_of_training_keeps_the_gradients() -> None:
    net = nn.Linear(3, 3)
    net(LOGITS).sum().backward()
    gradient = net.weight.grad
    evaluate(net, loader())
    assert net.weight.grad is gradient and gradient is not None
    net(LOGITS).sum().backward()  # nothing of the measurement is in the way


@pytest.mark.parametrize(
    ("batches", "words"),
    [
        ([], "the loader gave no batch"),
        ([{"x": LOGITS, "y": TARGETS}], r"gave a dict, not \(images, targets\)\n.*two things"),
        ([(LOGITS, TARGETS, TARGETS)], "gave a tuple of 3"),
        ([(LOGITS[:0], TARGETS[:0])], "no pictures"),
        ([(LOGITS, TARGETS - 1)], "target -1 is no class of a model with 3 outputs"),
        ([(LOGITS, TARGETS + 1)], "target 3 is no class of a model with 3 outputs"),
        ([(LOGITS[:, :, None], TARGETS[:6])], r"gives \[7, 3\] for 6 pictures"),
    ],
)
def test_what_cannot_be_measured_is_named(batches: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        evaluate(Echo(), batches)


def test_another_number_of_names_than_outputs_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"gives \[7, 3\] for 7 pictures of 2 classes\nGive one name per output"
    ):
        evaluate(Echo(), loader(), classes=["ant", "bee"])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_outputs_that_are_no_numbers_are_an_error_with_a_next_step(value: float) -> None:
    logits = LOGITS.clone()
    logits[2, 1] = logits[4, 0] = value
    with pytest.raises(DataError, match=r"2 of 7 pictures are not finite\n.*lower lr"):
        evaluate(Echo(), [(logits, TARGETS)])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_class_indices_of_any_whole_type(dtype: torch.dtype) -> None:
    assert evaluate(Echo(), [(LOGITS, TARGETS.to(dtype))])["accuracy"].value == 5 / 7


def test_the_targets_tell_the_task() -> None:
    chances = torch.sigmoid(torch.randn(30, 3))
    labels = (chances > 0.5).long()
    several = evaluate(nn.Identity(), [(chances - 0.5, labels)], classes=["a", "b", "c"])
    assert (several.task, several["mean_ap"].value) == ("multilabel", 1.0)
    numbers = evaluate(nn.Identity(), [(chances[:, :1], chances[:, :1] + 2)])
    assert (numbers.task, numbers["mae"].value) == ("regression", pytest.approx(2.0))
