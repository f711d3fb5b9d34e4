"""torchvision's transforms, v1 or v2: preprocessing read as a `Preprocess`, random steps as augmentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lensmith.errors import UsageError
from lensmith.pictures.preprocess import Preprocess

_PASSED = {"ToTensor", "PILToTensor", "ToImage", "ToDtype", "ConvertImageDtype", "ToPureTensor", "Identity"}
"""Steps that change the type alone."""

_OF_BATCHES = {"MixUp", "CutMix"}

_SIZED = {"Resize", "CenterCrop", "RandomCrop", "RandomResizedCrop"}

Values = tuple[float, float, float]


@dataclass(frozen=True)
class Augmentation:
    """What is done at random to a training picture, and what stood beside it.

    steps: each a function of one picture, uint8 [3, H, W]. size: (height, width) that they end with, where
    one of them says. normal: mean and std of a Normalize among them, which preprocessing does.
    """

    steps: tuple[Callable[[Any], Any], ...]
    size: tuple[int, int] | None = None
    normal: tuple[Values, Values] | None = None

    def __call__(self, picture: Any) -> Any:
        """uint8 [3, H, W] -> a picture, by all steps in turn."""
        for step in self.steps:
            picture = step(picture)
        return picture


def augmentation_of(transform: Any) -> Augmentation:
    """The transforms that a tutorial gives its training set, or any function of one picture.

    ToTensor and its like, and Normalize, are left to preprocessing; all else is done to each picture. Raises
    `UsageError` for what mixes several pictures.
    """
    steps: list[Callable[[Any], Any]] = []
    found: dict[str, Any] = {}
    for step in _steps(transform):
        name = type(step).__name__
        if name in _OF_BATCHES:
            raise UsageError(
                f"{name} mixes pictures and their labels, and augment= changes one picture",
                hint=f"Leave it out and say {name.lower()}=1.0, its alpha.",
            )
        if not callable(step):
            raise UsageError(f"augment: {step!r} is nothing to call")
        if name == "Normalize":
            _normalize(step, found)
        elif name not in _PASSED:
            steps.append(step)
            size = getattr(step, "size", None) if name in _SIZED else None
            if isinstance(size, Sequence) and len(size) == 2:
                found["size"] = (int(size[0]), int(size[1]))
    normal = (found["mean"], found["std"]) if "mean" in found else None
    return Augmentation(tuple(steps), found.get("size"), normal)


def preprocess_of(transform: Any) -> Preprocess:
    """A `Preprocess` that does what a Compose of Resize, CenterCrop, ToTensor and Normalize does.

    Also takes the transforms that come with torchvision's weights. Raises `UsageError` with the name of the
    first step that cannot be translated.
    """
    if isinstance(transform, Preprocess):
        return transform
    if hasattr(transform, "crop_size") and hasattr(transform, "resize_size"):
        return _of_weights(transform)
    found: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    for step in _steps(transform):
        _READ.get(type(step).__name__, _refuse)(step, found)
    if "crop" not in found and "resize" not in found:
        raise UsageError(
            "these transforms fix no size", hint="Add Resize((height, width)) or CenterCrop(size)."
        )
    return _made(found)


def _made(found: dict[str, Any]) -> Preprocess:
    resize, crop = found.get("resize"), found.get("crop")
    rest = {name: found[name] for name in ("mean", "std", "interpolation") if name in found}
    if isinstance(resize, tuple):
        if crop not in (None, resize):
            raise UsageError(
                f"Resize({resize}) followed by CenterCrop({crop}) distorts and then crops: no fit for that"
            )
        return Preprocess(resize, "squish", **rest)
    if crop is None:
        raise UsageError(
            f"Resize({resize}) leaves the long side open",
            hint=f"Add CenterCrop({resize}), or Resize(({resize}, {resize})).",
        )
    return Preprocess(crop, "crop", resize, **rest)


def _steps(transform: Any) -> Sequence[Any]:
    kind = type(transform).__name__
    if kind not in ("Compose", "Sequential"):
        return [transform]
    inside = transform.transforms if kind == "Compose" else list(transform)
    return [inner for step in inside for inner in _steps(step)]


def _of_weights(transform: Any) -> Preprocess:
    """torchvision's ImageClassification preset: resize, centre crop, normalise."""
    return Preprocess(
        _pair(_one(transform.crop_size)),
        "crop",
        int(_one(transform.resize_size)),
        _filter(transform),
        tuple(transform.mean),
        tuple(transform.std),
    )


def _resize(step: Any, found: dict[str, Any]) -> None:
    if getattr(step, "max_size", None) is not None:
        raise UsageError("Resize(max_size=...) cannot be translated", hint="Use Preprocess(size, fit='pad').")
    size = step.size
    whole = size if isinstance(size, int) else (size[0] if len(size) == 1 else None)
    found["resize"] = int(whole) if whole is not None else (int(size[0]), int(size[1]))
    found["interpolation"] = _filter(step)


def _centre_crop(step: Any, found: dict[str, Any]) -> None:
    found["crop"] = _pair(step.size)


def _normalize(step: Any, found: dict[str, Any]) -> None:
    for name in ("mean", "std"):
        values = tuple(float(v) for v in getattr(step, name))
        found[name] = values * 3 if len(values) == 1 else values


def _pass(step: Any, found: dict[str, Any]) -> None:
    if type(step).__name__ == "ToDtype" and not getattr(step, "scale", False):
        raise UsageError(
            "ToDtype without scale=True leaves values in 0 to 255",
            hint="Write ToDtype(torch.float32, scale=True).",
        )


def _refuse(step: Any, found: dict[str, Any]) -> None:
    raise UsageError(
        f"{type(step).__name__} cannot be part of preprocessing",
        hint="Resize, CenterCrop, ToTensor and Normalize can; random steps go into augment=.",
    )


_READ = {"Resize": _resize, "CenterCrop": _centre_crop, "Normalize": _normalize} | dict.fromkeys(
    _PASSED, _pass
)


def _one(size: Any) -> int:
    return int(size if isinstance(size, int) else size[0])


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    return int(size[0]), int(size[-1])


def _filter(step: Any) -> Any:
    name = getattr(step.interpolation, "value", step.interpolation)
    if name not in ("nearest", "bilinear", "bicubic", "lanczos"):
        raise UsageError(f"interpolation {name} is not one of nearest, bilinear, bicubic, lanczos")
    return name
