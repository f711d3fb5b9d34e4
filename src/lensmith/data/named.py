"""torchvision's named data sets, `torchvision:CIFAR10`, with its own download or from a copy on disk."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from lensmith.data.dataset import Example, ImageDataset, Item
from lensmith.errors import DataError, MachineError, UsageError

PREFIX = "torchvision:"


def load_named(name: str, root: str | Path | None = None) -> ImageDataset:
    """A data set of torchvision's by name, train and test as splits.

    With `root` it is read from there and nothing is fetched; without, torchvision downloads it into the
    cache folder. Raises `UsageError` for no such name, `DataError` where it cannot be had.
    """
    try:
        from torchvision import datasets
    except ImportError as error:
        raise MachineError(
            f"{PREFIX}{name} needs torchvision", hint="lensmith doctor --fix installs it."
        ) from error
    word = name.removeprefix(PREFIX)
    if word not in datasets.__all__:
        near = difflib.get_close_matches(word, datasets.__all__, n=1, cutoff=0.4)
        raise UsageError(
            f"torchvision has no data set {word}", hint=f"Did you mean {PREFIX}{near[0]}?" if near else ""
        )
    place = Path(root) if root is not None else _download_folder()
    parts = {
        split: _open(getattr(datasets, word), word, place, split, root is None) for split in ("train", "test")
    }
    classes = [str(c) for c in getattr(parts["train"], "classes", range(max(_targets(parts["train"])) + 1))]
    examples = [
        Example(Item(owner, index), int(target), split)
        for split, owner in parts.items()
        for index, target in enumerate(_targets(owner))
    ]
    return ImageDataset(examples, classes, name=word)


def _open(kind: Any, word: str, root: Path, split: str, download: bool) -> Any:
    wanted = "train" in getattr(kind.__init__, "__code__", kind).co_varnames
    chosen: dict[str, Any] = {"train": split == "train"} if wanted else {"split": split}
    try:
        return kind(root=str(root), download=download, **chosen)
    except (RuntimeError, OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        hint = (
            "Is that the folder that holds it?"
            if not download
            else f"Fetch it elsewhere and name its folder: root={root}"
        )
        raise DataError(f"{PREFIX}{word} cannot be read from {root} ({reason})", hint=hint) from error
    except TypeError as error:
        raise UsageError(f"{PREFIX}{word} has no train and test part ({error})") from error


def _targets(owner: Any) -> list[int]:
    for name in ("targets", "_labels", "labels", "_samples"):
        found = getattr(owner, name, None)
        if found is not None and len(found) == len(owner):
            return [int(one[1] if name == "_samples" else one) for one in found]
    return [int(owner[index][1]) for index in range(len(owner))]


def _download_folder() -> Path:
    from lensmith.data.cache import cache_folder

    return cache_folder() / "torchvision"
