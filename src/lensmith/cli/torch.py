"""Commands that train need torch; where it is missing, the one line that mends it."""

from __future__ import annotations

import importlib.util

from lensmith.errors import MachineError


def require_torch(command: str) -> None:
    """Raise `MachineError` (exit 4) where torch or torchvision is not installed."""
    for name in ("torch", "torchvision", "safetensors", "onnx"):
        if importlib.util.find_spec(name) is None:
            raise MachineError(
                f"lensmith {command} needs {name}, which is not installed",
                hint="lensmith doctor --fix installs what fits this machine.",
            )
