"""`build`: a network by name. Ours first, then torchvision's, then timm's, or `file.py:function`."""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import nn

from lensmith.errors import UsageError
from lensmith.models.convnet import ConvNet
from lensmith.models.lite0 import Lite0
from lensmith.models.tutorial import TutorialNet

OURS: dict[str, Callable[[int, int], nn.Module]] = {
    "convnet": ConvNet,
    "efficientnet_lite0": Lite0,
    "tutorial_net": TutorialNet,
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
    if name in torchvision_names():
        from torchvision.models import get_model

        return _made(name, image_size, get_model, weights=None, num_classes=outputs)
    if name in timm_names():
        import timm

        return _made(name, image_size, timm.create_model, pretrained=False, num_classes=outputs)
    known = [*OURS, *torchvision_names(), *timm_names()]
    near = difflib.get_close_matches(name, known, n=3)
    raise UsageError(
        f"no model is called '{name}'",
        hint=f"Did you mean {' or '.join(near)}?"
        if near
        else "Names are ours, torchvision's or timm's, or file.py:function.",
    )


def options(name: str, image_size: int) -> dict[str, Any]:
    """What a network has to be told that takes pictures of one size, or has a second output."""
    if name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "init_weights": True}
    if name.startswith("vit_") and name in torchvision_names():
        return {"image_size": image_size}
    if name == "maxvit_t":
        return {"input_size": (image_size, image_size)}
    if name in torchvision_names() or name not in timm_names():
        return {}
    import timm

    config = timm.get_pretrained_cfg(name)
    other = config and config.fixed_input_size and config.input_size[-1] != image_size
    return {"img_size": image_size} if other else {}


def torchvision_names() -> list[str]:
    """The names of torchvision's classification networks."""
    from torchvision import models
    from torchvision.models import list_models

    names: list[str] = list_models(module=models)  # no detection, segmentation, video
    return names


def timm_names() -> list[str]:
    """The names of timm's networks; none where timm is not installed."""
    if importlib.util.find_spec("timm") is None:
        return []
    import timm

    names: list[str] = timm.list_models()
    return names


def _made(name: str, image_size: int, make: Callable[..., nn.Module], **words: Any) -> nn.Module:
    try:
        return make(name, **words, **options(name, image_size))
    except (AssertionError, TypeError, ValueError) as error:
        raise UsageError(f"{name} cannot be made for pictures of {image_size}: {error}") from error


@contextlib.contextmanager
def _naming(name: str, what: str) -> Iterator[None]:
    """What the user's own code raises is told with the place where it was asked for."""
    try:
        yield
    except Exception as error:
        raise UsageError(
            f"--model {name}: {what} failed ({type(error).__name__}: {error})",
            hint="The function is called with the number of outputs.",
        ) from error


def _from_file(name: str, outputs: int) -> nn.Module:
    path, _, function = name.rpartition(":")
    if not Path(path).is_file():
        raise UsageError(f"--model {name}: there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"lensmith_model_{Path(path).stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--model {name}: {path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for their module there
    with _naming(name, path):
        spec.loader.exec_module(module)
    make: Any = getattr(module, function, None)
    if not callable(make):
        made = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise UsageError(
            f"--model {name}: {path} has no function {function}", hint=f"It has {', '.join(made) or 'none'}."
        )
    with _naming(name, f"{function}({outputs})"):
        model = make(outputs) if _takes_outputs(make) else make()
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"--model {name}: {function}({outputs}) gave a {type(model).__name__}, not an nn.Module"
        )
    return model


def _takes_outputs(make: Callable[..., Any]) -> bool:
    """A tutorial's network class takes nothing; a function that makes one takes the number of outputs."""
    try:
        inspect.signature(make).bind(1)
    except TypeError:
        return False
    return True
