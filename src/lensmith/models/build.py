"""`build`: a network by name. Ours first, then torchvision's, then timm's, or `file.py:function`."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from lensmith.errors import UsageError
from lensmith.models.convnet import ConvNet

OURS: dict[str, Callable[[int, int], nn.Module]] = {
    "convnet": ConvNet,
}


def build(name: str, outputs: int, image_size: int) -> nn.Module:
    """A network with untrained weights and `outputs` outputs.

    `name` is one of ours, of torchvision's or timm's, or `file.py:function`, where the function takes the
    number of outputs. Raises `UsageError` with the nearest name for one that nobody has.
    """
    if ".py:" in name:
        return _from_file(name, outputs)
    if name in OURS:
        return OURS[name](outputs, image_size)
    if name in _torchvision_names():
        from torchvision.models import get_model

        model: nn.Module = get_model(name, weights=None, num_classes=outputs)
        return model
    if name in _timm_names():
        import timm

        made: nn.Module = timm.create_model(name, pretrained=False, num_classes=outputs)
        return made
    known = [*OURS, *_torchvision_names(), *_timm_names()]
    near = difflib.get_close_matches(name, known, n=3)
    raise UsageError(
        f"no model is called '{name}'",
        hint=f"Did you mean {' or '.join(near)}?"
        if near
        else "Names are ours, torchvision's or timm's, or file.py:function.",
    )


def _torchvision_names() -> list[str]:
    from torchvision.models import list_models

    names: list[str] = [n for n in list_models() if "/" not in n and not n.startswith("quantized_")]
    return names


def _timm_names() -> list[str]:
    if importlib.util.find_spec("timm") is None:
        return []
    import timm

    names: list[str] = timm.list_models()
    return names


def _from_file(name: str, outputs: int) -> nn.Module:
    path, _, function = name.rpartition(":")
    if not Path(path).is_file():
        raise UsageError(f"--model {name}: there is no file {path}")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--model {name}: {path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    make: Any = getattr(module, function, None)
    if not callable(make):
        made = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise UsageError(
            f"--model {name}: {path} has no function {function}", hint=f"It has {', '.join(made) or 'none'}."
        )
    model = make(outputs)
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"--model {name}: {function}({outputs}) gave a {type(model).__name__}, not an nn.Module"
        )
    return model
