"""Notices a loader that gives one class for many batches on end."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor

_ON_END = 10


class SortedByClass:
    """Looks at targets until one batch holds two classes; warns where the first ten hold one."""

    def __init__(self) -> None:
        self._alike = 0
        self._watching = True

    def look(self, targets: Any) -> None:
        """One batch. Batches of one picture, and targets that are no class indices, say nothing."""
        if not self._watching or not isinstance(targets, Tensor):
            return
        if targets.ndim != 1 or targets.is_floating_point() or len(targets) < 2:
            return
        if bool((targets != targets[0]).any()):
            self._watching = False
            return
        self._alike += 1
        if self._alike == _ON_END:
            self._watching = False
            warnings.warn(
                f"the first {_ON_END} batches hold class {int(targets[0])} alone: your data is sorted by class, "
                "and a network learns little from that; give the DataLoader shuffle=True",
                stacklevel=2,
            )
