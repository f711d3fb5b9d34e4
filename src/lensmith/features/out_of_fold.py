"""What linear heads say of pictures that they did not learn from: every picture is left out once in each draw."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lensmith.features.embed import Features
from lensmith.features.linear import along_axes, fit_linear, solve, units
from lensmith.types import Task

_FOLDS = 5


class OutOfFold:
    """Heads on embeddings [N, D], each fitted without a fold of the pictures.

    targets: class indices [N], 0 or 1 [N, outputs], or numbers [N, 1]; together: int [N], rows with the same number
    are always left out together. The penalty is chosen once, as for a head that learns from all; least: its bound.
    """

    def __init__(
        self,
        features: Features,
        targets: NDArray[np.generic],
        outputs: int,
        task: Task,
        together: NDArray[np.int64],
        least: float = 0.0,
    ) -> None:
        self._outputs, self._task, self._together = outputs, task, together
        self.strength = max(least, fit_linear(features, targets, outputs, task, together).strength)
        x = torch.from_numpy(features).to(torch.float32)
        self._x, _ = along_axes((x - x.mean(0)) / x.std(0).clamp(min=1e-6))
        y = torch.from_numpy(np.ascontiguousarray(targets))
        self._y = y.long() if task == "classification" else y.float().reshape(len(x), -1)

    def outputs(self, seed: int, learnt: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """What is said of each picture, float32 [N, outputs]. seed: of the folds; learnt: bool [N], rows that may be
        learnt from at all."""
        said = torch.zeros(len(self._x), self._outputs)
        for left_out in self._folds(seed):
            used = ~left_out if learnt is None else ~left_out & torch.from_numpy(learnt)
            y = self._y[used]
            shift, scale = units(y, self._task)
            y = y if shift is None else (y - shift) / scale
            # Not started from another fold's solution, which knows the pictures that are left out here.
            weight, bias = solve(self._x[used], y, self._outputs, self._task, self.strength, 1e-6)
            answers = self._x[left_out] @ weight.T + bias
            said[left_out] = answers if shift is None else answers * scale + shift
        return said.numpy()

    def _folds(self, seed: int) -> list[Tensor]:
        """bool [N] for each fold; of classes, each has its share of each."""
        draw = np.random.default_rng(seed)
        first = np.unique(self._together, return_index=True)[1]
        order = draw.permutation(first)
        if self._task == "classification":
            order = order[np.argsort(self._y.numpy()[order], kind="stable")]
        fold = np.zeros(int(self._together.max()) + 1, np.int64)
        fold[self._together[order]] = np.arange(len(order)) % min(_FOLDS, len(order))
        of_rows = fold[self._together]
        return [torch.from_numpy(of_rows == number) for number in range(int(of_rows.max()) + 1)]
