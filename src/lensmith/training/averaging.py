"""A running mean of the weights, which is measured and kept in their place (Polyak and Juditsky, 1992)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Average:
    """The mean of a network's weights and buffers over its steps, the newest counting most.

    share: that the mean keeps at each step, less in the first ones, so that the untrained weights do not stay in it.
    """

    def __init__(self, model: nn.Module, share: float) -> None:
        self._share = share
        self._mean = AveragedModel(model, multi_avg_fn=self._move, use_buffers=True)

    @property
    def model(self) -> nn.Module:
        """A network with the mean weights."""
        module: nn.Module = self._mean.module
        return module

    def step(self, model: nn.Module) -> None:
        """Take the weights after a step in."""
        self._mean.update_parameters(model)

    def as_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return dict(self._mean.state_dict())

    def take(self, kept: dict[str, Any]) -> None:
        """As it was."""
        self._mean.load_state_dict(kept)

    def _move(self, mean: Any, now: Any, count: Tensor | int) -> None:
        done = int(count)
        get_ema_multi_avg_fn(min(self._share, (1 + done) / (10 + done)))(mean, now, count)  # type: ignore[no-untyped-call]
