"""What pictures show, as an array that can be computed with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.data.dataset import ImageDataset


def target_array(data: ImageDataset) -> NDArray[Any]:
    """Targets as arrays: indices [N], 0 and 1 [N, L], or numbers [N, 1]."""
    if data.task == "classification":
        return np.array(data.targets, np.int64)
    if data.task == "regression":
        return np.array(data.targets, np.float32).reshape(-1, 1)
    shown = np.zeros((len(data), len(data.classes)), np.float32)
    for row, labels in zip(shown, data.targets, strict=True):
        assert isinstance(labels, tuple)
        row[list(labels)] = 1
    return shown
