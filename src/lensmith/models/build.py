"""`build`: a network by name. Ours first, then torchvision's, then timm's, or `file.py:function`."""

from __future__ import annotations

import difflib
import functools
import importlib.util
import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from lensmith.errors import UsageError
from lensmith.models.convnet import ConvNet
from lensmith.models.lite0 import Lite0
from lensmith.models.tutorial import TutorialNet
from lensmith.runs.fields import OWN
from lensmith.runs.user_code import is_in_file, naming_faults, read_object

OURS: dict[str, Callable[[int, int], nn.Module]] = {
    "convnet": functools.partial(ConvNet, widths=(32, 64, 128)),
    "convnet_tiny": functools.partial(ConvNet, widths=(32, 64), patch=4, stride=2),
    "convnet_medium": functools.partial(ConvNet, widths=(64, 128, 256)),
    "convnet_large": functools.partial(ConvNet, widths=(64, 256, 256)),
    "efficientnet_lite0": Lite0,
    "tutorial_net": TutorialNet,
}


def build(name: str, outputs: int, image_size: int) -> nn.Module:
    """A network with untrained weights and `outputs` outputs.

    `name` is one of ours, of torchvision's or timm's, or `file.py:function`, where the function takes the
    number of outputs. Raises `UsageError` with the nearest name for one that nobody has.
    """
    if is_in_file(name):
        return _from_file(name, outputs)
    if name in OURS:
        return OURS[name](outputs, image_size)
    if name in torchvision_names():
        from torchvision.models import get_model

        return _made(name, image_size, get_model, weights=None, num_classes=outputs)
    if name in timm_names():
        import timm

        return _made(name, image_size, timm.create_model, pretrained=False, num_classes=outputs)
    if name == OWN:
        raise UsageError(
            "model=own: that network was given as an object, which no file of words holds",
            hint="Give it again in Python, model=net, or name it: --model net.py:Net",
        )
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


def _from_file(word: str, outputs: int) -> nn.Module:
    make = read_object(word, "model")
    name = word.rpartition(":")[2]
    if isinstance(make, nn.Module):
        return make
    if not callable(make):
        raise UsageError(f"model={word}: {name} is a {type(make).__name__}, not a function or class")
    hint = "The function is called with the number of outputs."
    with naming_faults(f"model={word}", f"{name}({outputs})", hint):
        model = make(outputs) if _takes_outputs(make) else make()
    if not isinstance(model, nn.Module):
        raise UsageError(f"model={word}: {name}({outputs}) gave a {type(model).__name__}, not an nn.Module")
    return model


def _takes_outputs(make: Callable[..., Any]) -> bool:
    """A tutorial's network class takes nothing; a function that makes one takes the number of outputs."""
    try:
        inspect.signature(make).bind(1)
    except TypeError:
        return False
    return True
