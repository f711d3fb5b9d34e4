"""Where data come from: a folder, a sample set or somebody's own data set, made an `ImageDataset`."""

from __future__ import annotations

import functools
import operator
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lensmith.data.dataset import SPLITS, Example, ImageDataset, Item, Skipped
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
    "GIF": "GIF, which training leaves out (predict takes its first frame)",
    "AVIF": "AVIF, which training leaves out (predict takes its first frame)",
    "HEIC": "HEIC, which cannot be read here",
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
    # Of two names for one split, such as val and dev, the plain one is taken; the other is told as not used.
    plain_last = sorted(folders, key=lambda folder: folder.name.lower() in SPLITS)
    tops = {_SPLIT_NAMES[f.name.lower()]: f for f in plain_last if f.name.lower() in _SPLIT_NAMES}
    tops = tops if "train" in tops else {}
    notes: list[str] = []
    others = [f.name for f in folders if f not in tops.values()] if tops else []
    if others:
        notes.append(f"beside the splits, not used: {', '.join(others)}")
    split_of = {folder.name: split for split, folder in tops.items()}
    rows: list[tuple[str, str, Path]] = []
    skipped: list[Skipped] = []
    for above, file, trouble in _files_below(root, links_down_to=2 if tops else 1):
        split, inside = (split_of.get(above[0] if above else ""), above[1:]) if tops else ("", above)
        reason = _system((*above, file.name)) or trouble
        if not reason and split is None:
            reason = "beside the splits"
        if not reason and not inside:
            reason = "not in a class folder"
        reason = reason or _reason_to_skip(file)
        if reason or split is None:
            skipped.append(Skipped(str(file), reason))
        else:
            rows.append((split, inside[0], file))
    if not rows:
        raise DataError(f"{root}: no pictures in it", hint=_layout_hint(root, skipped))
    rows.sort(key=lambda row: ("", *SPLITS).index(row[0]))
    classes = _class_names(rows, root)
    empty = {folder.name for top in tops.values() or [root] for folder in _folders(top)} - set(classes)
    if empty:
        notes.append(f"class folders without a picture that can be used: {', '.join(sorted(empty))}")
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
    """The folders in a folder that may be splits or classes."""
    try:
        return sorted(Path(e.path) for e in os.scandir(root) if _is_folder(e) and not _system((e.name,)))
    except OSError as error:
        raise DataError(f"{root}: cannot be opened ({error.strerror})") from error


def _files_below(root: Path, links_down_to: int) -> Iterator[tuple[tuple[str, ...], Path, str]]:
    """`(names of the folders above it, file, why it cannot be read)` of everything that is no folder.

    The order is fixed. Links to folders are followed where a split or a class may be one, `links_down_to`
    levels down, and never back to where they lie.
    """
    waiting: list[tuple[tuple[str, ...], Path]] = [((), root)]
    while waiting:
        above, folder = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield above[:-1], folder, f"cannot be opened ({error.strerror})"
            continue
        inner = []
        for entry in entries:
            path = Path(entry.path)
            if not _is_folder(entry):
                yield above, path, "" if _is_file(entry) else "not an ordinary file"
            elif entry.is_symlink() and (len(above) >= links_down_to or _leads_back(path)):
                yield above, path, "a link to a folder, which is not followed"
            else:
                inner.append(((*above, entry.name), path))
        waiting.extend(reversed(inner))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _leads_back(link: Path) -> bool:
    return link.parent.resolve().is_relative_to(link.resolve())


def _system(names: Sequence[str]) -> str:
    if any(name.startswith(".") or name.lower() in _SYSTEM_NAMES for name in names):
        return "a file of the system, not a picture"
    return ""


def _reason_to_skip(file: Path) -> str:
    """`""` for what looks like a picture; whether it can be read is found when it is decoded."""
    if file.suffix.lower() in _SUFFIXES:
        return ""
    try:
        with file.open("rb") as opened:
            kind = format_of(opened.read(32))
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    return "" if kind in FORMATS else _LEFT_OUT.get(kind, "not a picture")


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
    parts = _parts(owner)
    if len(parts) > 1 and all(_class_list(part) is not None for part in parts):
        return functools.reduce(operator.add, map(load_data, parts))
    with warnings.catch_warnings():
        # A picture opened by Pillow and asked for its label alone is dropped unread, its file with it.
        warnings.simplefilter("ignore", ResourceWarning)
        labels = _labels(owner)
    classes = _own_classes(owner, labels)
    index: dict[Any, int] = {name: i for i, name in enumerate(classes)}
    targets = [index[label] if isinstance(label, str) else int(label) for label in labels]
    return ImageDataset(
        [Example(Item(owner, i), target) for i, target in enumerate(targets)],
        classes,
        name=type(owner).__name__,
    )


def _parts(owner: Any) -> list[Any]:
    """What torch's ConcatDataset joins, however nested: it knows indices alone, we join by class name."""
    concatenation = getattr(sys.modules.get("torch.utils.data"), "ConcatDataset", None)
    if type(owner) is not concatenation:
        return [owner]
    return [part for joined in owner.datasets for part in _parts(joined)]


def _class_list(owner: Any) -> Any:
    """The names that a data set has for its indices; torch's Subset leaves them with what it is a part of."""
    while not hasattr(owner, "classes") and hasattr(owner, "dataset"):
        owner = owner.dataset
    return getattr(owner, "classes", None)


def _labels(owner: Any) -> list[str | int]:
    """Every target. `owner.targets` spares reading the pictures, where it says the same as `owner[i]`."""
    count = len(owner)
    listed = getattr(owner, "targets", None)
    if listed is not None and len(listed) == count and getattr(owner, "target_transform", None) is None:
        labels = [_label(owner, i, (None, listed[i])) for i in range(count)]
        if all(labels[i] == _label(owner, i, _row(owner, i)) for i in {0, count // 2, count - 1}):
            return labels
    return [_label(owner, i, _row(owner, i)) for i in range(count)]


def _row(owner: Any, index: int) -> Any:
    try:
        return owner[index]
    except OSError as error:
        raise DataError(
            f"{type(owner).__name__}[{index}] cannot be read ({error})",
            hint="Leave it out of the data set: without it, nothing tells its target.",
        ) from error


def _label(owner: Any, index: int, row: Any) -> str | int:
    name = f"{type(owner).__name__}[{index}]"
    if not isinstance(row, tuple | list) or len(row) != 2:
        raise DataError(f"{name} is not (picture, target) but {type(row).__name__}")
    try:
        label = row[1].item() if hasattr(row[1], "item") else row[1]
    except (ValueError, RuntimeError):  # of many values
        label = row[1]
    if not isinstance(label, str | int) or (isinstance(label, int) and label < 0):
        raise DataError(f"{name} has target {label!r}", hint="Targets are class names or indices.")
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
    named = _class_list(owner)
    if named is not None and len(named) > highest:
        return [str(name) for name in named]
    return [str(i) for i in range(highest + 1)]
