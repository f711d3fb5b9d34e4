"""Muon for filters, SGD for the rest (Jordan, github.com/KellerJordan/Muon, and airbench94_muon)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

_BIAS_RATE, _HEAD_RATE = 0.03, 15.0
"""Of the filters' rate, for each picture of a batch; the head's also by the square of its inputs. Chosen on a
tenth of CIFAR-10's training pictures."""
_DECAY = 2e-6
_ROUNDS = (3.4445, -4.7750, 2.0315)
"""Coefficients of one Newton-Schulz round."""


class Muon(torch.optim.Optimizer):
    """Each filter bank moves along the nearest orthogonal matrix of its gradient, and keeps its norm.

    What is no filter bank (biases, the head) is trained by SGD with Nesterov momentum, at rates for the *sum*
    of a batch's losses; the gradients that come in are those of its mean.
    """

    def __init__(self, model: nn.Module, lr: float, batch_size: int) -> None:
        trained = [p for p in model.parameters() if p.requires_grad]
        filters = [p for p in trained if p.ndim == 4]
        heads = [p for p in trained if p.ndim in (2, 3)]
        biases = [p for p in trained if p.ndim < 2]
        groups: list[dict[str, Any]] = [
            {"params": filters, "lr": lr, "kind": "filters"},
            {"params": biases, "lr": lr * _BIAS_RATE * batch_size, "kind": "rest"},
            *(
                {"params": [p], "lr": lr * _HEAD_RATE * batch_size / p.shape[-1] ** 2, "kind": "rest"}
                for p in heads
            ),
        ]
        for group in groups:
            # In the groups, since a copy or a saved state of an optimizer holds nothing else.
            group |= {"highest": group["lr"], "decay": _DECAY * batch_size, "low_precision": False}
        super().__init__([group for group in groups if group["params"]], {"lr": lr})

    def use_low_precision(self, wanted: bool) -> None:
        """Multiply matrices in bfloat16, or in float32."""
        for group in self.param_groups:
            group["low_precision"] = wanted

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update from the gradients that lie in the parameters."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if group["kind"] == "filters":
                    direction = self._momentum(p, p.grad, 0.6)
                    dtype = torch.bfloat16 if group["low_precision"] else p.dtype
                    p.mul_(len(p) ** 0.5 / p.norm().clamp(min=1e-12))
                    p.add_(orthogonal(direction.flatten(1), dtype).view_as(p), alpha=-group["lr"])
                else:
                    p.mul_(1 - group["decay"] * group["lr"] / group["highest"])
                    p.add_(self._momentum(p, p.grad, 0.85), alpha=-group["lr"])
        return None

    def _momentum(self, p: Tensor, gradient: Tensor, share: float) -> Tensor:
        state = self.state[p]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(gradient)
        buffer: Tensor = state["momentum"]
        buffer.mul_(share).add_(gradient)
        moved: Tensor = gradient + share * buffer
        return moved


def orthogonal(matrix: Tensor, dtype: torch.dtype = torch.float32, rounds: int = 3) -> Tensor:
    """About the nearest matrix with orthonormal rows or columns, by Newton-Schulz rounds."""
    a, b, c = _ROUNDS
    x = matrix.to(dtype)
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(rounds):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    result: Tensor = (x.T if tall else x).to(matrix.dtype)
    return result
