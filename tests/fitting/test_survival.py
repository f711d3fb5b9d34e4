"""Steps that cannot be made as they are: no memory for the batch, a gradient that is no number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lensmith.errors import MachineError
from lensmith.fitting.fit import fit
from lensmith.types import Batch


class Greedy(nn.Module):
    """A layer that has room for so many pictures at a time."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.layer = nn.Linear(6, 3).double()

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.most:
            torch.empty(2**62, dtype=torch.uint8)  # as much as no machine has: torch's own error
        found: Tensor = self.layer(x)
        return found


def batches(epoch: int, first: int = 0) -> Iterator[Batch]:
    for number in range(first, 4):
        random = torch.Generator().manual_seed(10 * epoch + number)
        mask = torch.ones(10, dtype=torch.bool)
        mask[10 - 3 * (number % 2) :] = False
        images = torch.rand(10, 6, generator=random, dtype=torch.float64)
        yield Batch(images, torch.randint(3, (10,), generator=random), mask)


def trained(model: nn.Module, **more: Any) -> tuple[nn.Module, list[Any]]:
    torch.manual_seed(0)
    model.layer.reset_parameters()  # type: ignore[operator, union-attr]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    steps = list(
        fit(model, batches, loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=2, **more).steps()
    )
    return model, steps


@pytest.mark.fault(33)
@pytest.mark.parametrize("most", [9, 3, 1])
def test_a_batch_that_is_too_large_is_computed_in_parts(most: int) -> None:
    whole, _ = trained(Greedy(99))
    parted, steps = trained(Greedy(most))
    for one, other in zip(whole.parameters(), parted.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    assert steps[-1].parts > 1


def test_memory_that_is_not_enough_for_one_picture_is_an_error() -> None:
    with pytest.raises(MachineError, match="not enough for a batch, in 10 part"):
        trained(Greedy(0))


@pytest.mark.fault(32)
def test_a_guarded_step_without_a_finite_gradient_leaves_all_as_it_is() -> None:
    model = nn.Sequential(nn.Linear(6, 3).double())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    seen: list[int] = []

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.append(len(seen))
        return nn.functional.cross_entropy(outputs, targets) * (float("nan") if len(seen) == 3 else 1.0)

    training = fit(model, batches, loss=loss, optimizer=optimizer, epochs=1)
    training.update.guarded = True
    before = [p.detach().clone() for p in model.parameters()]
    for step in training.steps():
        now = [p.detach().clone() for p in model.parameters()]
        same = all(torch.equal(one, other) for one, other in zip(before, now, strict=True))
        assert step.made is (step.index != 3)
        assert same is (step.index == 3)
        before = now


def test_a_training_that_goes_on_ends_where_an_undisturbed_one_does() -> None:
    for at in (1, 4, 5, 8):  # in the middle of a pass, and at its ends
        whole, steps = trained(Greedy(99), schedule=lambda p: 1 - p)
        assert len(steps) == 8
        first = Greedy(99)
        torch.manual_seed(0)
        first.layer.reset_parameters()
        optimizer = torch.optim.SGD(first.parameters(), lr=0.1, momentum=0.9)
        loss = nn.CrossEntropyLoss()
        begun = fit(first, batches, loss=loss, optimizer=optimizer, epochs=2, schedule=lambda p: 1 - p)
        for step in begun.steps():
            if step.index == at:
                break
        position, state, moments = begun.position(), first.state_dict(), optimizer.state_dict()
        second = Greedy(99)
        again = torch.optim.SGD(second.parameters(), lr=0.1, momentum=0.9)
        going = fit(second, batches, loss=loss, optimizer=again, epochs=2, schedule=lambda p: 1 - p)
        second.load_state_dict(state)
        again.load_state_dict(moments)
        going.go_on_from(position)
        epochs = going.run()
        for one, other in zip(whole.parameters(), second.parameters(), strict=True):
            assert torch.equal(one, other)
        assert [epoch.steps for epoch in epochs] == [4] * (2 - position.epoch)
        told = [float(step.loss) for step in steps[4 * position.epoch : 4 * position.epoch + 4]]
        assert epochs[0].train_loss == pytest.approx(sum(told) / 4, rel=1e-12)
