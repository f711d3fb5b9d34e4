"""Rows of a linear head for classes that are new to it, fitted while its other rows stay as they are."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lensmith.features.embed import Features
from lensmith.types import Task

_STRENGTH = 0.01
"""L2 penalty on the new rows, for standardised features: few pictures decide them."""


def fit_new_rows(
    features: Features,
    targets: NDArray[np.generic],
    weight: Tensor,
    bias: Tensor,
    new: list[int],
    task: Task,
) -> tuple[Tensor, Tensor]:
    """The head with its `new` rows fitted by L-BFGS: weight [outputs, D] and bias [outputs], on the CPU.

    features: [N, D]; targets: class indices [N], or 0 and 1 [N, outputs]; weight, bias: as they are.
    """
    x = torch.from_numpy(features).float()
    y = torch.from_numpy(np.ascontiguousarray(targets))
    weight, bias = weight.detach().float().cpu().clone(), bias.detach().float().cpu().clone()
    mean, spread = x.mean(0), x.std(0).clamp(min=1e-6)
    scaled, standing = (x - mean) / spread, x @ weight.T + bias
    rows = torch.zeros(len(new), x.shape[1], requires_grad=True)
    offsets = torch.zeros(len(new), requires_grad=True)
    optimizer = torch.optim.LBFGS([rows, offsets], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        outputs = standing.index_copy(1, torch.tensor(new), scaled @ rows.T + offsets)
        if task == "classification":
            loss = functional.cross_entropy(outputs, y.long())
        else:
            loss = functional.binary_cross_entropy_with_logits(outputs[:, new], y[:, new].float())
        loss = loss + _STRENGTH / 2 * rows.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    found = rows.detach() / spread
    weight[new], bias[new] = found, offsets.detach() - found @ mean
    return weight, bias
