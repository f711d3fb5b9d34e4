"""Weights in and out, as safetensors. No pickle."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from lensmith.errors import ModelFileError


def weights_bytes(model: nn.Module) -> bytes:
    """The model's state as safetensors, every tensor stored for itself and on the CPU."""
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    return save(state, metadata={"format": "pt"})


def load_weights(model: nn.Module, content: bytes | Path, name: str = "weights") -> None:
    """Put a state into a model, strictly. Raises `ModelFileError` with the first names that do not fit."""
    if isinstance(content, Path):
        name = str(content)
    try:
        state = load(content.read_bytes() if isinstance(content, Path) else content)
    except OSError as error:
        raise ModelFileError(f"{name}: cannot be read ({error.strerror})") from error
    except SafetensorError as error:
        raise ModelFileError(f"{name}: not safetensors, or damaged ({error})") from error
    wanted = model.state_dict()
    missing, extra = sorted(set(wanted) - set(state)), sorted(set(state) - set(wanted))
    other = [k for k in wanted if k in state and wanted[k].shape != state[k].shape]
    if missing or extra or other:
        parts = [
            f"{word} {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
            for word, names in (
                ("lacks", missing),
                ("has, and the model lacks,", extra),
                ("has another shape for", other),
            )
            if names
        ]
        raise ModelFileError(f"{name}: not weights of this model: {'; '.join(parts)}")
    model.load_state_dict(state)
