"""The last layer of a network: replaced, or followed by one more."""

from __future__ import annotations

from typing import Any, TypeGuard

from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from lensmith.errors import UsageError
from lensmith.models.probe import place_of

_NAMES = ("fc", "classifier", "head", "heads", "last_linear")
"""What torchvision, timm and most papers' code call the part that gives the classes."""


def replace_head(model: nn.Module, outputs: int) -> nn.Module:
    """Give `model` a new, untrained last layer with `outputs` outputs, in place, and return it.

    timm's networks do it by their `reset_classifier`; in others it is what `find_head` finds. Raises
    `UsageError` where nothing is found.
    """
    if outputs < 1:
        raise UsageError(f"a network with {outputs} outputs answers nothing")
    if callable(reset := getattr(model, "reset_classifier", None)):
        reset(outputs)
        return model
    known: Any = model
    name, last = find_head(model)
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, _like(last, outputs))
    if isinstance(getattr(model, "num_classes", None), int):
        known.num_classes = outputs
    return model


def append_head(model: nn.Module, outputs: int) -> nn.Sequential:
    """`model` as it is, followed by a linear layer from its outputs to `outputs`.

    The other way to fit a network of 1000 classes to a task of 10. Raises `UsageError` where the number
    of its outputs cannot be told.
    """
    if outputs < 1:
        raise UsageError(f"a network with {outputs} outputs answers nothing")
    known: Any = model
    if callable(getattr(model, "reset_classifier", None)):
        before = int(known.num_classes or known.num_features)
    else:
        before = _outputs(find_head(model)[1])
    device, dtype = place_of(model)
    return nn.Sequential(model, nn.Linear(before, outputs, device=device, dtype=dtype))


def find_head(model: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """The layer that gives the outputs, and its name: the last `Linear` or 1x1 convolution.

    Looked for in the part that is called fc, classifier, head or heads, and where there is none in all of the
    network, in the order in which its layers were made. Raises `UsageError` where there is none.
    """
    parts = [name for name in _NAMES if isinstance(getattr(model, name, None), nn.Module)]
    for part in (*parts, ""):
        for name, layer in reversed(list(model.get_submodule(part).named_modules(prefix=part))):
            if name and _gives_outputs(layer):
                return name, layer
    raise UsageError(
        f"{type(model).__name__} has no Linear or 1x1 convolution that could be its last layer",
        hint="Put one behind it: nn.Sequential(net, nn.Flatten(), nn.LazyLinear(outputs)).",
    )


def outputs_and_features(model: nn.Module, images: Tensor) -> tuple[Any, Tensor | None]:
    """What a network gives for float images [N, 3, H, W], and what its last layer makes that of, [N, D].

    The features are None where the outputs are not those of one `Linear` on rows.
    """
    try:
        _, head = find_head(model)
    except UsageError:
        return model(images), None
    seen: list[tuple[Tensor, Tensor]] = []
    hook = head.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    try:
        outputs = model(images)
    finally:
        hook.remove()
    is_last = bool(seen) and isinstance(head, nn.Linear) and seen[-1][1] is outputs
    return outputs, seen[-1][0] if is_last and seen[-1][0].ndim == 2 else None


def _gives_outputs(layer: nn.Module) -> TypeGuard[nn.Linear | nn.Conv2d]:
    if isinstance(layer, NonDynamicallyQuantizableLinear):  # the inside of an attention
        return False
    return isinstance(layer, nn.Linear) or (
        isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1
    )


def _outputs(layer: nn.Linear | nn.Conv2d) -> int:
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def _like(layer: nn.Linear | nn.Conv2d, outputs: int) -> nn.Linear | nn.Conv2d:
    """An untrained layer of the same kind with another number of outputs."""
    weight, bias = layer.weight, layer.bias is not None
    new: nn.Linear | nn.Conv2d
    if isinstance(layer, nn.Linear):
        new = nn.Linear(layer.in_features, outputs, bias, device=weight.device, dtype=weight.dtype)
    else:
        new = nn.Conv2d(layer.in_channels, outputs, 1, bias=bias, device=weight.device, dtype=weight.dtype)
    return new.train(layer.training)
