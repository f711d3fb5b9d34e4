"""`fit` is the plain PyTorch loop, made something to iterate."""

from __future__ import annotations

import copy
import gc
import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from small_parts import COUNT, drawing_net, loader, pictures, plain_net, same, sgd
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from lensmith.errors import UsageError
from lensmith.evaluation.evaluate import evaluate
from lensmith.fitting.fit import Training, fit
from lensmith.types import Batch


def plain_fit(net: nn.Module, epochs: float = 1, batches: Any = None, **others: Any) -> Training:
    parts = {"loss": nn.CrossEntropyLoss(), "optimizer": sgd(net)} | others
    return fit(net, loader() if batches is None else batches, epochs=epochs, **parts)


def plain_loop(net: nn.Module, epochs: int) -> nn.Module:
    """The loop of any PyTorch tutorial."""
    batches, loss_fn, optimizer = loader(), nn.CrossEntropyLoss(), sgd(net)
    torch.manual_seed(5)
    for _ in range(epochs):
        net.train()
        for images, targets in batches:
            optimizer.zero_grad()
            loss_fn(net(images), targets).backward()
            optimizer.step()
    return net


def test_weights_are_those_of_the_plain_loop_bit_for_bit() -> None:
    expected, net = plain_loop(drawing_net(), 3), drawing_net()
    training = plain_fit(net, epochs=3)
    torch.manual_seed(5)
    epochs = training.run()
    assert same(net, expected)
    assert [(epoch.index, epoch.steps) for epoch in epochs] == [(1, 10), (2, 10), (3, 10)]
    assert all(math.isfinite(epoch.train_loss) and epoch.seconds > 0 for epoch in epochs)
    assert epochs[2].train_loss < epochs[0].train_loss


def test_leaving_the_loop_keeps_the_weights_of_that_epoch() -> None:
    expected, net = plain_loop(drawing_net(), 2), drawing_net()
    training = plain_fit(net, epochs=9)
    torch.manual_seed(5)
    for epoch in training:
        if epoch.index == 2:
            break
    assert same(net, expected)


def test_measuring_between_steps_and_epochs_changes_nothing() -> None:
    expected, net, stepped = plain_loop(drawing_net(), 2), drawing_net(), drawing_net()
    training = plain_fit(net, epochs=2)
    torch.manual_seed(5)
    for _ in training:
        evaluate(net, loader())
    single = plain_fit(stepped, epochs=2)
    torch.manual_seed(5)
    for step in single.steps():
        if step.index % 3 == 0:
            evaluate(stepped, loader())
        stepped.eval()  # whoever forgets to put it back
    assert same(net, expected)
    assert same(stepped, expected)


def test_steps_come_one_by_one_right_after_each_update() -> None:
    net = plain_net()
    before, seen = copy.deepcopy(net), []
    for step in plain_fit(net, epochs=2).steps():
        assert not same(net, before)
        before = copy.deepcopy(net)
        seen.append((step.index, step.epoch, step.lr))
        assert step.loss.ndim == 0 and not step.loss.requires_grad
    assert seen == [(i, 1 if i <= 10 else 2, 0.1) for i in range(1, 21)]


@pytest.mark.parametrize(
    "take", [iter, Training.steps, lambda training: training], ids=["iter", "steps", "no"]
)
def test_a_training_that_is_dropped_says_so(take: Any) -> None:
    net = plain_net()
    before = copy.deepcopy(net)
    with pytest.warns(UserWarning, match="fit trains while you iterate it"):
        take(plain_fit(net))
        gc.collect()
    assert same(net, before)


def test_a_training_that_cannot_begin_warns_of_nothing_else() -> None:
    with pytest.raises(RuntimeError):
        plain_fit(plain_net(), device="nowhere")
    gc.collect()  # a warning here would be an error


def test_one_training_is_gone_through_once() -> None:
    training = plain_fit(plain_net())
    training.run()
    for again in (training.run, lambda: list(training.steps())):
        with pytest.raises(UsageError, match=r"already iterated\nCall fit again"):
            again()


@pytest.mark.parametrize(
    ("epochs", "steps"), [(0.05, 1), (0.5, 5), (1.3, 13), (2.01, 21), (0.1 * 30, 30), (1e-9, 1)]
)
def test_a_fraction_of_an_epoch_ends_inside_a_pass(epochs: float, steps: int) -> None:
    assert len(list(plain_fit(plain_net(), epochs).steps())) == steps
    done = plain_fit(plain_net(), epochs).run()
    assert (len(done), sum(epoch.steps for epoch in done)) == (math.ceil(steps / 10), steps)


@pytest.mark.parametrize("epochs", [0, -1, math.inf, math.nan])
def test_no_number_of_epochs(epochs: float) -> None:
    with pytest.raises(UsageError, match=f"epochs={epochs}"):
        plain_fit(plain_net(), epochs)


def test_an_optimizer_of_another_network_is_refused() -> None:
    with pytest.raises(UsageError, match=r"none of the model's parameters\n.*SGD\(model\.parameters"):
        plain_fit(plain_net(), optimizer=sgd(plain_net()))


def test_a_schedule_multiplies_the_rate_of_each_group() -> None:
    net, asked = drawing_net(), []
    optimizer = torch.optim.SGD(
        [{"params": net[0].parameters(), "lr": 0.5}, {"params": net[5].parameters()}], lr=0.02
    )

    def falling(progress: float) -> float:
        asked.append(progress)
        return 1 - progress

    for step in plain_fit(net, 2, optimizer=optimizer, schedule=falling).steps():
        factor = 1 - (step.index - 1) / 20
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(
            [0.5 * factor, 0.02 * factor]
        )
        assert step.lr == pytest.approx(0.5 * factor)
    assert asked == pytest.approx([i / 20 for i in range(20)])


@pytest.mark.parametrize("ending", ["whole", "left", "failed"])
def test_the_optimizer_gets_its_own_rates_back(ending: str) -> None:
    """Else a second fit with it would train at a rate of almost nothing."""
    net = plain_net()
    optimizer = sgd(net)
    training = plain_fit(net, 4, optimizer=optimizer, schedule=lambda progress: 0.5 - progress / 2)
    if ending == "whole":
        assert training.run()[-1].lr == pytest.approx(0.1 * (0.5 - 3.9 / 8))
    elif ending == "left":
        next(iter(training))
    else:
        net.register_forward_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            training.run()
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_a_rate_that_the_loop_sets_itself_is_kept() -> None:
    net = plain_net()
    optimizer = sgd(net)
    for epoch in plain_fit(net, 3, optimizer=optimizer):
        optimizer.param_groups[0]["lr"] = 0.1 / (epoch.index + 1)
    assert optimizer.param_groups[0]["lr"] == 0.1 / 4


def test_bfloat16_keeps_weights_and_losses_in_float32() -> None:
    net, seen = drawing_net(), []

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.append(outputs.dtype)
        return nn.functional.cross_entropy(outputs, targets)

    epochs = plain_fit(net, 4, loss=loss, precision="bfloat16").run()
    assert set(seen) == {torch.float32} == {p.dtype for p in net.parameters()}
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert not same(net, plain_loop(drawing_net(), 4))  # it did compute otherwise
    with pytest.raises(UsageError, match="precision=bf16 is not one of float32, bfloat16"):
        plain_fit(plain_net(), precision="bf16")


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_a_schedule_that_is_not_finite_is_refused(factor: float) -> None:
    net = plain_net()
    schedule = itertools.chain([1.0] * 5, itertools.repeat(factor))
    with pytest.raises(UsageError, match=f"schedule gave {factor} at progress 0.25"):
        plain_fit(net, 2, schedule=lambda progress: next(schedule)).run()
    assert all(bool(p.isfinite().all()) for p in net.parameters())


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """The pictures as a stream that does not know its length."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        data = pictures()
        return (data[i] for i in range(COUNT))


def test_a_stream_without_a_length() -> None:
    streamed: Any = DataLoader(Stream(), 4)
    assert [epoch.steps for epoch in plain_fit(plain_net(), 2, streamed).run()] == [10, 10]
    with pytest.raises(UsageError, match=r"epochs=1.5: the loader has no length.*\nGive whole epochs"):
        plain_fit(plain_net(), 1.5, streamed).run()


def test_a_function_of_the_epoch_gives_the_batches() -> None:
    asked = []

    def batches(epoch: int) -> Any:
        asked.append(epoch)
        return loader()

    assert [epoch.steps for epoch in plain_fit(plain_net(), 2.5, batches).run()] == [10, 10, 5]
    assert asked == [0, 1, 2]


class Rows:
    """A data set whose rows have another form."""

    def __init__(self, row: Any) -> None:
        self.row = row

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Any:
        return self.row


@pytest.mark.parametrize(
    ("row", "words"),
    [({"image": 1.0, "label": 2}, "a dict"), ((1.0, 2, "a.jpg"), "a list of 3"), (1.0, "a Tensor")],
)
def test_rows_of_another_form_are_named_with_what_to_return(row: Any, words: str) -> None:
    with pytest.raises(UsageError, match=rf"gave {words}, not \(images, targets\)\n.*returns two things"):
        plain_fit(plain_net(), 1, DataLoader(Rows(row), 4)).run()


@pytest.mark.parametrize("way", [Training.run, lambda training: list(training.steps())], ids=["run", "steps"])
def test_a_loader_without_batches(way: Any) -> None:
    too_strict: Any = DataLoader(pictures(3), 4, drop_last=True)
    with pytest.raises(UsageError, match=r"gave no batch\n.*drop_last"):
        way(plain_fit(plain_net(), 1, too_strict))
    spent = ((images, targets) for images, targets in loader())
    with pytest.raises(UsageError, match=r"gave no batch\n.*generator"):
        way(plain_fit(plain_net(), 2, spent))


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(reduction="none")])
def test_padding_teaches_nothing(loss: nn.Module) -> None:
    """Real rows alone give the mean, whether the loss is one number or one for each picture."""
    images, targets = pictures(7).tensors
    padded = Batch(
        torch.cat([images, torch.full((5, 3, 4, 4), 9.0)]),
        torch.cat([targets, torch.zeros(5, dtype=torch.int64)]),
        torch.arange(12) < 7,
    )
    expected, net = plain_net(), plain_net()
    true = plain_fit(expected, 1, [(images, targets)], loss=loss).run()
    seen = plain_fit(net, 1, [padded], loss=loss).run()
    assert seen[0].train_loss == pytest.approx(true[0].train_loss, abs=1e-6)
    for one, other in zip(net.parameters(), expected.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-7)
