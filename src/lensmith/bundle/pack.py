"""Weights that somebody trained, with the network they belong to -> a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lensmith.bundle.bundle import Bundle
from lensmith.errors import ModelFileError
from lensmith.models.build import build
from lensmith.models.foreign import read_state
from lensmith.models.pretrained import put_state
from lensmith.pictures.preprocess import Preprocess
from lensmith.runs.files import sha256_of
from lensmith.types import Task


def pack(
    weights: str | Path,
    model: str,
    *,
    classes: Sequence[str],
    preprocess: Preprocess,
    task: Task = "classification",
) -> Bundle:
    """Put a weights file and the network it belongs to into a bundle.

    weights: safetensors, a state_dict, or a whole pickled model, whose tensors are taken without running or
    importing anything that it names. model: a name of ours, torchvision's or timm's, or `net.py:Net`.
    Raises `ModelFileError` where the weights are not those of the network, to the last tensor.
    """
    path = Path(weights)
    state, names = read_state(path)
    network = build(model, max(1, len(classes)), preprocess.size[0])
    left_out = put_state(network, state, str(path))
    if left_out:
        raise ModelFileError(
            f"{path}: {left_out[0]} has {len(state[left_out[0]])} rows, and {len(classes)} class names are given",
            hint="Give one name per output, in their order.",
        )
    provenance = {"weights": path.name, "sha256": sha256_of(path), "model": model}
    if names:
        provenance["pickled_names"] = ", ".join(names[:20])
    return Bundle(
        network, preprocess=preprocess, classes=classes, task=task, name=model, provenance=provenance
    )
