"""A folder of pictures -> `ImageDataset`: a folder per class, splits on top or not, or one class alone."""

from __future__ import annotations

import contextlib
import gc
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from lensmith.data.dataset import SPLITS, Example, ImageDataset, Skipped
from lensmith.data.learnt import require_learnt
from lensmith.errors import DataError
from lensmith.pictures.decode import FORMATS, format_of

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""What folders are called, and which split that is."""
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
_CLOSED = {".heic", ".heif", ".hif"}
_LEFT_OUT = {
    "GIF": "GIF, which training leaves out (predict takes its first frame)",
    "AVIF": "AVIF, which training leaves out (predict takes its first frame)",
    "HEIC": "HEIC, which cannot be read here",
}
_LOOSE = "not in a class folder"
_SYSTEM_NAMES = {"__macosx", "thumbs.db", "desktop.ini", "@eadir"}


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """All that is listed stays. Looked through for garbage as it grows, it would take twice the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@_uncollected()
def read_folder(root: Path) -> ImageDataset:
    """Read a folder of pictures; where all lie loose in it, the folder is one class, to be added to others.

    Raises `DataError` where it holds none, and for a class that train lacks.
    """
    folders = _folders(root)
    # Of two names for one split, such as val and dev, the plain one is taken; the other is told as not used.
    plain_last = sorted(folders, key=lambda folder: folder.name.lower() in SPLITS)
    tops = {SPLIT_NAMES[f.name.lower()]: f for f in plain_last if f.name.lower() in SPLIT_NAMES}
    tops = tops if "train" in tops else {}
    notes: list[str] = []
    others = [f.name for f in folders if f not in tops.values()] if tops else []
    if others:
        notes.append(f"beside the splits, not used: {', '.join(others)}")
    split_of = {folder.name: split for split, folder in tops.items()}
    rows: list[tuple[str, str, Path]] = []
    skipped: list[Skipped] = []
    for above, files in _files_below(root, links_down_to=2 if tops else 1):
        split, inside = (split_of.get(above[0] if above else ""), above[1:]) if tops else ("", above)
        hidden = next(filter(None, map(_system, above)), "")
        outside = "beside the splits" if split is None else "" if inside else _LOOSE
        for name, file, trouble in files:
            reason = hidden or _system(name) or trouble or outside or _reason_to_skip(name, file)
            if reason or split is None:
                skipped.append(Skipped(str(file), reason))
            else:
                rows.append((split, inside[0], file))
    if not rows and not tops:
        rows = [("", root.resolve().name, Path(one.file)) for one in skipped if one.reason == _LOOSE]
        rows = [row for row in rows if not _reason_to_skip(row[2].name, row[2])]
        taken = {str(file) for _, _, file in rows}
        skipped = [one for one in skipped if one.file not in taken]
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
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for split, name, _ in rows:
        counts[split or "train"][name] += 1
    learnt = counts["train"]
    for split, measured in counts.items():
        require_learnt(learnt, measured, split, str(root))
    return sorted(learnt)


def _folders(root: Path) -> list[Path]:
    """The folders in a folder that may be splits or classes."""
    try:
        return sorted(Path(e.path) for e in os.scandir(root) if _is_folder(e) and not _system(e.name))
    except OSError as error:
        raise DataError(f"{root}: cannot be opened ({error.strerror})") from error


def _files_below(
    root: Path, links_down_to: int
) -> Iterator[tuple[tuple[str, ...], list[tuple[str, Path, str]]]]:
    """`(names of the folders above, files)` of every folder; a file is `(name, path, why it cannot be read)`.

    The order is fixed. Links to folders are followed where a split or a class may be one, `links_down_to`
    levels down, and never back to where they lie.
    """
    waiting: list[tuple[tuple[str, ...], Path]] = [((), root)]
    while waiting:
        above, folder = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield above[:-1], [(folder.name, folder, f"cannot be opened ({error.strerror})")]
            continue
        files, inner = [], []
        for entry in entries:
            name = entry.name
            path = folder / name
            if not _is_folder(entry):
                files.append((name, path, "" if _is_file(entry) else "not an ordinary file"))
            elif entry.is_symlink() and (len(above) >= links_down_to or _leads_back(path)):
                files.append((name, path, "a link to a folder, which is not followed"))
            else:
                inner.append(((*above, name), path))
        yield above, files
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


def is_of_the_system(name: str) -> bool:
    """Whether a file or folder of this name is hidden or the system's own, and holds no pictures of anybody."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def _system(name: str) -> str:
    return "a file of the system, not a picture" if is_of_the_system(name) else ""


def _reason_to_skip(name: str, file: Path) -> str:
    """`""` for what looks like a picture; whether it can be read is found when it is decoded."""
    if name[name.rfind(".") :].lower() in _SUFFIXES:
        return ""
    try:
        with file.open("rb") as opened:
            kind = format_of(opened.read(32))
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    return "" if kind in FORMATS else _LEFT_OUT.get(kind, "not a picture")


def is_class_folder(name: str) -> bool:
    """Whether a folder of this name, beside others, is read as a class: no split, and not the system's own."""
    return not is_of_the_system(name) and name.lower() not in SPLIT_NAMES


def looks_readable(file: PurePath) -> bool:
    """Whether a file's name says that it is a picture that `predict` can read."""
    return file.suffix.lower() in _SUFFIXES | {".gif", ".avif"} and not file.name.startswith(".")


def looks_like_picture(file: PurePath) -> bool:
    """Whether a file's name says that it is a picture, be it one that can only be named with the reason."""
    return looks_readable(file) or (file.suffix.lower() in _CLOSED and not file.name.startswith("."))


def _layout_hint(root: Path, skipped: Sequence[Skipped]) -> str:
    loose = [s for s in skipped if s.reason == _LOOSE]
    if any(Path(s.file).suffix.lower() in _SUFFIXES for s in loose):
        return (
            f"Its pictures lie loose. Put them in a folder per class, such as {root}/cats/ and {root}/dogs/."
        )
    return f"Expected a folder per class, such as {root}/cats/1.jpg, with train/ and val/ on top or not."
