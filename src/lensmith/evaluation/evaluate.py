"""`evaluate`: any network on any loader -> `Report`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lensmith.errors import DataError
from lensmith.evaluation.metrics import measure
from lensmith.evaluation.report import Report
from lensmith.types import Batch, Task


def evaluate(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    classes: Sequence[str] | None = None,
    task: Task | None = None,
) -> Report:
    """Measure a network on a plain DataLoader that yields `(images, targets)`, or on `Batch` values.

    task: told by the targets, if not given: indices [N] are classes, rows [N, L] several labels, floats numbers.
    The network is put in eval mode and back into the mode that each part of it had. Padding is not counted.
    """
    logits, targets = gather(model, batches)
    task = task or _task_of(targets)
    if task == "regression":
        return measure(logits.reshape(len(logits), -1), targets.reshape(len(targets), -1)[:, 0], [], task)
    names = classes or getattr(getattr(batches, "dataset", None), "classes", None)
    return measure(logits, targets, [str(n) for n in names or range(logits.shape[1])], task)


def _task_of(targets: NDArray[Any]) -> Task:
    if targets.ndim == 2 and targets.shape[1] > 1:
        return "multilabel"
    return "regression" if np.issubdtype(targets.dtype, np.floating) else "classification"


def gather(model: nn.Module, batches: Iterable[Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """All outputs, float32 [N, outputs], and all targets [N, ...], in the order of the loader."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    outputs: list[Tensor] = []
    targets: list[Tensor] = []
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            for batch in batches:
                if not isinstance(batch, Batch) and (not isinstance(batch, tuple | list) or len(batch) != 2):
                    size = f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
                    raise DataError(
                        f"the loader gave a {type(batch).__name__}{size}, not (images, targets)",
                        hint="A data set returns two things: the picture's tensor and its target.",
                    )
                images, target = batch[0], batch[1]
                out = model(images.to(device)).float().cpu()
                real = batch.mask.cpu() if isinstance(batch, Batch) else slice(None)
                outputs.append(out[real])
                targets.append(target.cpu()[real])
    finally:
        for part, training in modes:
            part.training = training
    if not outputs:
        raise DataError("nothing to measure: the loader gave no batch")
    return torch.cat(outputs).numpy(), torch.cat(targets).numpy()
