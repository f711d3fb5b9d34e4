"""The last layer of a network: replaced, or followed by one more."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from lensmith.errors import UsageError

_NAMES = ("fc", "classifier", "head", "heads", "last_linear")
"""What torchvision, timm and most papers' code call the part that gives the classes."""


def replace_head(model: nn.Module, outputs: int) -> nn.Module:
    """Give `model` a new, untrained last layer with `outputs` outputs. Works on the model itself, and returns it.

    timm's networks do it by their `reset_classifier`; in others it is what `find_head` finds. Raises
    `UsageError` where nothing is found.
    """
    if outputs < 1:
        raise UsageError(f"a network with {outputs} outputs answers nothing")
    if callable(reset := getattr(model, "reset_classifier", None)):
        reset(outputs)
        return model
    name, last = find_head(model)
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, _like(last, outputs))
    if isinstance(getattr(model, "num_classes", None), int):
        setattr(model, "num_classes", outputs)  # noqa: B010  a Module's attributes are declared as tensors
    return model


def append_head(model: nn.Module, outputs: int) -> nn.Sequential:
    """`model` as it is, and a linear layer from its outputs to `outputs`: the other way to fit it to a task."""
    if callable(getattr(model, "reset_classifier", None)):
        before = int(model.num_classes)  # type: ignore[arg-type]
    ...
