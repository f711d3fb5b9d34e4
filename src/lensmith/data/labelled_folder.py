"""Pictures put into class folders one at a time, so that `read_folder` finds each under the label it was given."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lensmith.data.folders import is_class_folder
from lensmith.data.portable_names import DEVICE, FORBIDDEN
from lensmith.errors import DataError
from lensmith.pictures.decode import format_of
from lensmith.runs.files import write_bytes

SUFFIX = {"JPEG": ".jpg", "PNG": ".png", "WebP": ".webp", "BMP": ".bmp", "TIFF": ".tif", "PPM": ".ppm"}
"""How files of each format that training takes are called."""
_LONGEST = 200
"""Bytes of a name; file systems take 255, some count otherwise."""


def why_no_folder(label: str) -> str:
    """Why a class of this name cannot be a folder that is read back under the same name, on any system;
    `""` where it can."""
    try:
        length = len(label.encode("utf-8"))
    except UnicodeEncodeError:
        return "it is not Unicode"
    if not 0 < length <= _LONGEST:
        return "it is empty" if not length else "it is too long"
    if found := FORBIDDEN.search(label):
        return f"it holds {found[0]!r}"
    if label != label.strip() or label.endswith("."):
        return "it begins or ends with a space or a dot"
    if DEVICE.fullmatch(label):
        return "Windows keeps it for a device"
    return "" if is_class_folder(label) else "training takes such a folder for something else"


@dataclass(frozen=True)
class LabelledFolder:
    """`ROOT/LABEL/SHA256.jpg`: each picture once, under one label at a time.

    labels: the only ones that pictures get.
    """

    root: Path
    labels: Sequence[str]

    def find(self, content: bytes) -> Path | None:
        """Where these bytes lie already."""
        return next(self._copies(file_name(content)), None)

    def put(self, content: bytes, label: str) -> Path:
        """Write a picture's bytes as they are under a label; what lay under another moves.

        Raises `DataError` for a label or a format that the folder cannot hold, and `OSError`.
        """
        if reason := why_no_folder(label) if label in self.labels else "the model has no such label":
            raise DataError(f"'{label}' cannot be the label ({reason})")
        name = file_name(content)
        place = self._folder(label) / name
        for copy in [copy for copy in self._copies(name) if copy != place]:
            # A rename needs no room; a second copy is what a crash between writing and removing left.
            if place.exists():
                copy.unlink()
            else:
                copy.rename(place)
        if not place.exists():
            write_bytes(place, content)
        return place

    def _folder(self, label: str) -> Path:
        folder = self.root / label
        folder.mkdir(parents=True, exist_ok=True)
        # Some file systems keep another spelling: another case, other accents.
        if label not in {entry.name for entry in self.root.iterdir()}:
            with contextlib.suppress(OSError):
                folder.rmdir()
            raise DataError(f"'{label}' cannot be the label (this disk keeps it under another spelling)")
        if folder.is_symlink():
            raise DataError(f"'{label}' cannot be the label (its folder leads elsewhere)")
        return folder

    def _copies(self, name: str) -> Iterator[Path]:
        folders = [self.root / label for label in self.labels if not why_no_folder(label)]
        return (folder / name for folder in folders if not folder.is_symlink() and (folder / name).is_file())


def file_name(content: bytes) -> str:
    """A file's name by what it holds, as `SHA256.jpg`. Raises `DataError` for what training leaves out."""
    kind = format_of(content)
    if kind not in SUFFIX:
        raise DataError(f"{kind or 'this'} is nothing that training takes", hint="Save it as PNG.")
    return hashlib.sha256(content).hexdigest() + SUFFIX[kind]
