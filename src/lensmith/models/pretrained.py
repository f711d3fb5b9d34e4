"""`load_pretrained`: a network by name with trained weights and a head of the wanted size.

The weights come from a given file, an installed package, the cache of torch.hub or the network. Ours and
torchvision's are read by `read_state`: torchvision's own loader would unpickle without restriction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lensmith.errors import ModelFileError, UsageError
from lensmith.models.build import build, options
from lensmith.models.foreign import read_state
from lensmith.models.heads import find_head, replace_head
from lensmith.models.lite0 import Lite0, load_lite0
from lensmith.models.published import origin_of_file, published, weights_file
from lensmith.types import Event

AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
_COUNT = "num_batches_tracked"
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")
"""Names with a dot in them, as torchvision's DenseNet files have them."""


def load_pretrained(
    name: str,
    outputs: int,
    image_size: int,
    weights: str | Path | None = None,
    tell: Callable[[Event], None] | None = None,
) -> tuple[nn.Module, dict[str, Any]]:
    """A trained network with `outputs` outputs, and the facts about its weights.

    Without `weights`, efficientnet_lite0 comes from its installed package, and torchvision's and timm's
    networks with their default weights, from the cache or the network; `tell` hears how a download goes.
    With it, a file of `read_state` is taken by names. The head comes along where it has `outputs` rows,
    else it is new.

    Facts: mean and std (of values in 0 to 1), size, fit, resize and interpolation as published; source, the
    version of the package that brings or names them, url, licence ("unknown" where nobody states one); left_out,
    the names of tensors in the file that did not come along. Raises `ModelFileError` for weights that are
    not there, do not fit or cannot be fetched (it says which file to put where), `UsageError` for a name that
    nobody has or that has no published weights.
    """
    facts = published(name, image_size)
    if weights is None and facts["library"] == "timm":
        return _from_timm(name, outputs, image_size, weights_file(name, facts, tell), facts)
    model = build(name, outputs, image_size)
    path = Path(weights) if weights is not None else weights_file(name, facts, tell)
    state, _ = read_state(path)
    facts["left_out"] = put_state(model, _for_size(model, state, image_size), str(path))
    if weights is not None:
        facts |= origin_of_file(name, path)
    return model, facts


def put_state(model: nn.Module, state: Mapping[str, Tensor], source: str) -> list[str]:
    """Load a state by names; a head of another number of classes, and auxiliary heads, are left out.

    Returns the names that were left out. Raises `ModelFileError`, which begins with `source`, with the first
    names that do not fit.
    """
    if isinstance(model, Lite0):
        try:
            return load_lite0(model, state)
        except ModelFileError as error:
            raise ModelFileError(f"{source}: {error.message}") from error
    state = {_OLD_DENSENET.sub(r"\1\2", name): tensor for name, tensor in state.items()}
    own = model.state_dict()
    state = {name: tensor for name, tensor in state.items() if name in own or not name.endswith(_COUNT)}
    head = [name for name in own if name.rpartition(".")[0] in _head_names(model)]
    left_out = [name for name in state if name.startswith(AUXILIARY) and name not in own]
    if any(name in state and state[name].shape != own[name].shape for name in head):
        left_out += [name for name in head if name in state]
    fitting = {name: tensor for name, tensor in state.items() if name not in left_out}
    optional = head if not set(head) & set(fitting) else []
    missing = [n for n in own if n not in {*fitting, *optional} and not n.endswith(_COUNT)]
    misfits = [f"it lacks {name}" for name in missing]
    misfits += [f"{name} is not in the network" for name in fitting if name not in own]
    misfits += [
        f"{name} is {list(tensor.shape)}, not {list(own[name].shape)}"
        for name, tensor in fitting.items()
        if name in own and tensor.shape != own[name].shape
    ]
    if misfits:
        more = f" and {len(misfits) - 3} more" if len(misfits) > 3 else ""
        raise ModelFileError(f"{source}: not weights of this network: {'; '.join(misfits[:3])}{more}")
    own.update(fitting)  # with the versions that some modules ask for
    model.load_state_dict(own)
    return left_out


def _from_timm(
    name: str, outputs: int, image_size: int, path: Path, facts: dict[str, Any]
) -> tuple[nn.Module, dict[str, Any]]:
    """By timm's own loader, which fits names and positions; it, too, unpickles weights only."""
    import timm

    special = options(name, image_size)
    overlay = {"file": str(path), "custom_load": False}
    try:
        model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **special)
    except Exception as error:
        if special and isinstance(error, TypeError | RuntimeError):
            raise UsageError(
                f"{name} cannot be had for pictures of {image_size}: its weights are for {facts['size']}"
            ) from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelFileError(
            f"{path}: not weights of {name}, or damaged ({reason})",
            hint="Remove it, and it will be fetched again.",
        ) from error
    if model.num_classes != outputs:
        heads = _head_names(model)
        facts["left_out"] = [n for n in model.state_dict() if n.rpartition(".")[0] in heads]
        replace_head(model, outputs)
    return model, facts


def _for_size(model: nn.Module, state: dict[str, Tensor], image_size: int) -> dict[str, Tensor]:
    """torchvision's transformers know positions: those of another picture size are interpolated."""
    if "encoder.pos_embedding" not in state:
        return state
    from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

    if not isinstance(model, VisionTransformer):
        return state
    resized: dict[str, Tensor] = interpolate_embeddings(image_size, model.patch_size, state)
    return resized


def _head_names(model: nn.Module) -> tuple[str, ...]:
    """The names of the layers that give the outputs; timm tells them, and there may be two."""
    config = getattr(model, "pretrained_cfg", None)
    if isinstance(config, dict) and config.get("classifier"):
        names = config["classifier"]
        return (names,) if isinstance(names, str) else tuple(names)
    try:
        return (find_head(model)[0],)
    except UsageError:
        return ()
