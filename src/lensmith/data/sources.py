"""Where data come from: a folder, a sample set or somebody's own data set, made an `ImageDataset`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lensmith.data.dataset import Example, ImageDataset, Item, Skipped
from lensmith.data.decode import FORMATS, format_of
from lensmith.errors import DataError, UsageError
from lensmith.types import Examples

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
_SUFFIXES = {
    ".jpg",
    ".jpeg",
    ".jpe",
    ".png",
    ".webp",
    ".bmp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".pbm",
    ".pnm",
}
_LEFT_OUT = {
    ".gif": "GIF, which training leaves out (predict takes its first frame)",
    ".avif": "AVIF, which training leaves out (predict takes its first frame)",
    ".heic": "HEIC, which cannot be read here",
    ".heif": "HEIC, which cannot be read here",
}
_SYSTEM_NAMES = {"__macosx", "thumbs.db", "desktop.ini", "@eadir"}


def load_data(source: str | Path | ImageDataset | Examples) -> ImageDataset:
    """Labelled pictures from a folder per class, a sample set's name, or an own data set.

    A folder may have train/, val/, test/ on top. `digits` is embedded. Anything with `__len__` and
    `__getitem__(i) -> (picture, target)` is taken as it is; targets are ints or strings.
    Raises `DataError` where there is nothing to learn from.
    """
    if isinstance(source, ImageDataset):
        return source
    if not isinstance(source, str | Path):
        return _from_examples(source)
    path = Path(source)
    if path.is_dir():
        return _from_folder(path)
    if path.exists():
        raise DataError(
            f"{path}: a file, not a folder of pictures", hint="Give a folder with a folder per class."
        )
    if str(source) == "digits":
        from lensmith.data.sample import digits

        return digits()
    raise DataError(f"{source}: no such folder", hint=_nearest(path))


def _from_folder(root: Path) -> ImageDataset:
    folders = _folders(root)
    tops = {_SPLIT_NAMES[f.name.lower()]: f for f in folders if f.name.lower() in _SPLIT_NAMES}
    notes: list[str] = []
    if "train" in tops:
        layout: list[tuple[str, Path]] = [
            (split, tops[split]) for split in ("train", "val", "test") if split in tops
        ]
        others = [f.name for f in folders if f not in tops.values()]
        if others:
            notes.append(f"beside the splits, not used: {', '.join(others)}")
    else:
        layout = [("", root)]
    skipped: list[Skipped] = []
    rows: list[tuple[str, str, Path]] = []
    for split, top in layout:
        for file in _stray_files(top):
            skipped.append(Skipped(str(file), _system(file) or "not in a class folder"))
        for folder in _folders(top):
            for file in _files_below(folder):
                reason = _reason_to_skip(file)
                if reason:
                    skipped.append(Skipped(str(file), reason))
                else:
                    rows.append((split, folder.name, file))
    if not rows:
        raise DataError(f"{root}: no pictures in it", hint=_layout_hint(root, skipped))
    classes = _class_names(rows, root)
    index = {name: i for i, name in enumerate(classes)}
    examples = [Example(file, index[name], split) for split, name, file in rows]
    return ImageDataset(examples, classes, name=root.resolve().name, skipped=skipped, notes=notes)


def _class_names(rows: Sequence[tuple[str, str, Path]], root: Path) -> list[str]:
    """Classes are those of the training pictures; a held-out class that training never sees is an error."""
    trained = {name for split, name, _ in rows if split in ("", "train")}
    for split, name, _ in rows:
        if name not in trained:
            raise DataError(
                f"{root}: class '{name}' is in {split} but not in train",
                hint=f"Classes are matched by folder name; train has {', '.join(sorted(trained)) or 'none'}.",
            )
    return sorted(trained)


def _folders(root: Path) -> list[Path]:
    return sorted(
        Path(entry.path)
        for entry in os.scandir(root)
        if entry.is_dir() and not entry.name.startswith(".") and entry.name.lower() not in _SYSTEM_NAMES
    )


def _stray_files(top: Path) -> list[Path]:
    """Files that lie beside the class folders, and those in folders that are not classes."""
    found = sorted(Path(e.path) for e in os.scandir(top) if e.is_file())
    for entry in sorted(os.scandir(top), key=lambda e: e.name):
        if entry.is_dir() and (entry.name.startswith(".") or entry.name.lower() in _SYSTEM_NAMES):
            found.extend(_files_below(Path(entry.path)))
    return found


def _files_below(folder: Path) -> Iterator[Path]:
    """All files at any depth, in a fixed order; links to folders are not followed (they can loop)."""
    for top, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            yield Path(top, name)


def _system(file: Path) -> str:
    parts = [part.lower() for part in file.parts[-3:]]
    if any(part in _SYSTEM_NAMES or (part.startswith(".") and part not in (".", "..")) for part in parts):
        return "a file of the system, not a picture"
    return ""


def _reason_to_skip(file: Path) -> str:
    """`""` for what looks like a picture; whether it can be read is found when it is decoded."""
    suffix = file.suffix.lower()
    if suffix in _LEFT_OUT:
        return _LEFT_OUT[suffix]
    if file.name.startswith(".") or file.name.lower() in _SYSTEM_NAMES or ".ipynb_checkpoints" in file.parts:
        return "a file of the system, not a picture"
    if suffix in _SUFFIXES:
        return ""
    try:
        with file.open("rb") as opened:
            known = format_of(opened.read(32)) in FORMATS
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    return "" if known else "not a picture"


def looks_like_picture(file: Path) -> bool:
    """Whether a file's name says that it is a picture that `predict` can read."""
    return file.suffix.lower() in _SUFFIXES | {".gif", ".avif"} and not file.name.startswith(".")


def _layout_hint(root: Path, skipped: Sequence[Skipped]) -> str:
    loose = [s for s in skipped if s.reason == "not in a class folder"]
    if any(Path(s.file).suffix.lower() in _SUFFIXES for s in loose):
        return (
            f"Its pictures lie loose. Put them in a folder per class, such as {root}/cats/ and {root}/dogs/."
        )
    return f"Expected a folder per class, such as {root}/cats/1.jpg, with train/ and val/ on top or not."


def _nearest(path: Path) -> str:
    import difflib

    parent = path.parent
    names = [p.name for p in parent.iterdir() if p.is_dir()] if parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    if near:
        return f"Did you mean {parent / near[0]}?"
    return f"Looked in {parent.absolute()}." if parent.is_dir() else f"There is no {parent} either."


def _from_examples(owner: Any) -> ImageDataset:
    """Somebody's own data set: its pictures stay where they are, its targets are read once."""
    if not hasattr(owner, "__len__") or not hasattr(owner, "__getitem__"):
        raise UsageError(
            f"a {type(owner).__name__} is no data set",
            hint="Give a folder, or an object with __len__ and __getitem__(i) -> (picture, target).",
        )
    if len(owner) == 0:
        raise DataError(f"{type(owner).__name__}: it is empty")
    labels = [_label(owner, i) for i in range(len(owner))]
    classes = _own_classes(owner, labels)
    index: dict[Any, int] = {name: i for i, name in enumerate(classes)}
    targets = [index[label] if isinstance(label, str) else int(label) for label in labels]
    return ImageDataset(
        [Example(Item(owner, i), target) for i, target in enumerate(targets)],
        classes,
        name=type(owner).__name__,
    )


def _label(owner: Any, index: int) -> str | int:
    targets = getattr(owner, "targets", None)
    row = (None, targets[index]) if targets is not None and len(targets) == len(owner) else owner[index]
    if not isinstance(row, tuple | list) or len(row) != 2:
        raise DataError(f"{type(owner).__name__}[{index}] is not (picture, target) but {type(row).__name__}")
    label = row[1].item() if hasattr(row[1], "item") else row[1]
    if not isinstance(label, str | int) or (isinstance(label, int) and label < 0):
        raise DataError(
            f"{type(owner).__name__}[{index}] has target {label!r}",
            hint="Targets are class names or indices.",
        )
    return label


def _own_classes(owner: Any, labels: Sequence[str | int]) -> list[str]:
    words = sorted({label for label in labels if isinstance(label, str)})
    if words and any(not isinstance(label, str) for label in labels):
        raise DataError(
            f"{type(owner).__name__} mixes names and indices as targets", hint="Use one of the two."
        )
    if words:
        return words
    highest = max(int(label) for label in labels)
    named = getattr(owner, "classes", None)
    if named is not None and len(named) > highest:
        return [str(name) for name in named]
    return [str(i) for i in range(highest + 1)]
