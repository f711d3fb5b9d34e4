"""Small pictures, a loader of them and networks for them, each the same at every call."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

COUNT, CLASSES = 40, 3


def pictures(count: int = COUNT) -> TensorDataset:
    """float [count, 3, 4, 4] and class indices."""
    draw = torch.Generator().manual_seed(1)
    return TensorDataset(
        torch.randn(count, 3, 4, 4, generator=draw), torch.randint(CLASSES, (count,), generator=draw)
    )


def loader(data: Dataset[tuple[Tensor, ...]] | None = None, size: int = 4) -> DataLoader[tuple[Tensor, ...]]:
    """Ten shuffled batches of four, in the same order at every call."""
    order = torch.Generator().manual_seed(2)
    return DataLoader(pictures() if data is None else data, size, shuffle=True, generator=order)


def drawing_net() -> nn.Module:
    """A network with running statistics, and one whose training draws random numbers."""
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(16, CLASSES),
    )


def plain_net(outputs: int = CLASSES) -> nn.Module:
    """A linear network."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, outputs))


def sgd(net: nn.Module, lr: float = 0.1) -> torch.optim.SGD:
    """Plain SGD with momentum."""
    return torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)


def same(one: nn.Module, other: nn.Module) -> bool:
    """Whether all weights and statistics are equal, bit for bit."""
    states = one.state_dict(), other.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])
