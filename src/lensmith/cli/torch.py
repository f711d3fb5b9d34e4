"""Commands that train need torch; where it is missing, the one line that mends it."""

from __future__ import annotations

import importlib.util

from lensmith.errors import MachineError


def spare_the_compiler() -> None:
    """Keep torch's optimizers from importing its compiler, which takes a second and more, only to be left alone
    by it: nothing here compiles. Where torch changes its ways, this does nothing."""
    from torch.optim import Optimizer

    for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
        inside = getattr(getattr(Optimizer, name, None), "__wrapped__", None)
        if inside is not None and not hasattr(inside, "__dynamo_disable"):
            inside.__dynamo_disable = inside


def require_torch(command: str) -> None:
    """Raise `MachineError` (exit 4) where torch or torchvision is not installed."""
    for name in ("torch", "torchvision", "safetensors", "onnx"):
        if importlib.util.find_spec(name) is None:
            raise MachineError(
                f"lensmith {command} needs {name}, which is not installed",
                hint="lensmith doctor --fix installs what fits this machine.",
            )
