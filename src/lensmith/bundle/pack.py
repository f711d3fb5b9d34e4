"""Weights that somebody trained, with the network they belong to -> a bundle."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lensmith.bundle.bundle import Bundle
from lensmith.errors import ModelFileError, UsageError
from lensmith.models.build import OURS, build
from lensmith.models.foreign import read_state
from lensmith.models.pretrained import AUXILIARY, put_state
from lensmith.models.published import origin_of_file, preprocess_facts
from lensmith.pictures.preprocess import Preprocess, preprocess_from
from lensmith.runs.files import sha256_of
from lensmith.runs.user_code import is_in_file
from lensmith.types import Task

_TUTORIALS = {
    "size": 224,
    "fit": "crop",
    "resize": None,
    "interpolation": "bilinear",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
}
"""What most tutorials do, for networks of which nobody says what they see."""


def pack(
    weights: str | Path,
    model: str,
    *,
    classes: Sequence[str],
    preprocess: Preprocess | None = None,
    task: Task = "classification",
    licence: str = "",
) -> Bundle:
    """Put a weights file and the network it belongs to into a bundle.

    weights: safetensors, a state_dict, or a whole pickled model, whose tensors are taken without running or
    importing anything that it names. model: a name of ours, torchvision's or timm's, or `net.py:Net`.
    preprocess: what the network sees; for a name of torchvision or timm it may be left out, and is what was
    published for it. licence: that of the weights, where you know it.
    Raises `ModelFileError` where the weights are not those of the network, to the last tensor, and `UsageError`
    where nothing says how to prepare a picture.
    """
    path = Path(weights)
    state, names = read_state(path)
    if preprocess is None and not _is_published(model):
        raise UsageError(
            f"nothing says what {model} has to see",
            hint="Say it: preprocess=lm.Preprocess(224, mean=..., std=...)",
        )
    if preprocess is None:
        preprocess, _ = preprocess_for(model, path)
    network = build(model, max(1, len(classes)), preprocess.size[0])
    # Second classifiers that only training has are no part of what answers.
    left_out = [name for name in put_state(network, state, str(path)) if not name.startswith(AUXILIARY)]
    if left_out:
        raise ModelFileError(
            f"{path}: {left_out[0]} has {len(state[left_out[0]])} rows, and {len(classes)} class names are given",
            hint="Give one name per output, in their order.",
        )
    origin: dict[str, Any] = {**origin_of_file(model, path), "file": path.name, "sha256": sha256_of(path)}
    if licence:
        origin["licence"] = licence
    if names:
        origin["pickled_names"] = names[:20]
    packages = (
        ("lensmith", "torch", "torchvision", "timm") if not is_in_file(model) else ("lensmith", "torch")
    )
    provenance = {"made_by": "pack", "weights": origin, "network": model, "packages": _versions(packages)}
    return Bundle(
        network, preprocess=preprocess, classes=classes, task=task, name=model, provenance=provenance
    )


def preprocess_for(model: str, weights: Path, **given: Any) -> tuple[Preprocess, str]:
    """What a network sees, and who says so: what is given, else what was published with it.

    given: fields of `Preprocess`, None for those that are left open. Another size than the published one leaves
    out the published resize. Raises `UsageError` where a network was published with what no `Preprocess` does.
    """
    given = {name: value for name, value in given.items() if value is not None}
    facts, source = dict[str, Any](_TUTORIALS), "as in most tutorials, since nothing says how it was trained"
    if _is_published(model):
        found = preprocess_facts(model, int(given.get("size", 224)), weights)
        facts = {name: found[name] for name in facts}
        source = f"as published for {found['source'] or model}"
        if not facts["fit"] and not {"size", "fit"} <= given.keys():
            raise UsageError(
                f"{model} was published with a crop that Preprocess does not do",
                hint="Say what to do with pictures: --size and --fit.",
            )
    elif model in OURS:
        facts |= {"size": 32, "mean": (0.5,) * 3, "std": (0.5,) * 3}
        source = "as lensmith trains it"
    if given.get("size", facts["size"]) != facts["size"] or given.get("fit", facts["fit"]) != facts["fit"]:
        facts["resize"] = None
    if given:
        source = f"{source}, but for {', '.join(given)}"
    return preprocess_from(facts | given), source


def _is_published(model: str) -> bool:
    return model == "efficientnet_lite0" or (model not in OURS and not is_in_file(model))


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
