"""Pictures into folders by label: copies or links, each in one place; nothing is moved and nothing written over."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import unicodedata
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from lensmith.asking.answer_file import Seen, place_identity
from lensmith.asking.prediction import Answer
from lensmith.data.portable_names import DEVICE, FORBIDDEN
from lensmith.errors import PictureError, UsageError
from lensmith.pictures.asked import is_url
from lensmith.types import Prediction, Task

NOT_SURE, ANSWERS = "not sure", "answers.csv"
_PART = ".lensmith.part"
_LONGEST = 80
"""Bytes of a name before its suffix, or of a folder: some file systems take 143."""


class Sorter:
    """Puts pictures below a folder, in a folder for each label and one for what the model is not sure of.

    places: where earlier runs put pictures, which stays theirs.
    """

    def __init__(self, folder: Path, classes: Sequence[str], places: Seen, *, link: bool = False) -> None:
        self.folder = folder
        self._places = places
        self._link = link
        plain = Counter(_plain(name) for name in (NOT_SURE, ANSWERS, *classes))
        self._alike = {name for name, count in plain.items() if count > 1}
        self._resolved = folder.resolve()
        self._safe_sources: set[Path] = set()

    def put(self, answer: Answer, said: Prediction) -> str:
        """Put one picture where it belongs; returns that place. Raises `PictureError` where it cannot be read."""
        path = answer.asked.path
        if path is not None:
            self._refuse_own(path)
        name = answer.asked.name
        home = self.folder / self.folder_for(said)
        try:
            home.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise UsageError(
                f"{home}: a file, where a folder for pictures has to be",
                hint="Name another folder with --sort.",
            ) from error
        part = self.folder / _PART
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        if answer.kept is not None:
            _write(answer.kept, part)
        elif path is None:
            raise AssertionError(f"the bytes of {name} were not kept")
        elif self._link:
            _link(path, part, name)
        else:
            _copy_file(path, part, name)
        for place in _names(home, name, answer.asked.member):
            if self._take(part, place):
                return str(place)
        raise AssertionError("names never end")

    def close(self) -> None:
        """Leave nothing half done."""
        with contextlib.suppress(OSError):
            (self.folder / _PART).unlink()

    def folder_for(self, said: Prediction) -> str:
        """The name of the folder for an answer, one that any file system takes."""
        if not said.sure:
            return NOT_SURE
        names = said.labels if said.labels else (said.label,)
        return safe_name(said.label, unlike=not any(_plain(name) in self._alike for name in names))

    def _take(self, part: Path, place: Path) -> bool:
        """Give a picture this name, if it is free, or if a run that was stopped put it there."""
        word = place_identity(str(place))
        if word in self._places:
            return False
        if not os.path.lexists(place):
            part.rename(place)
        elif _same(part, place):
            part.unlink()
        else:
            return False
        self._places.add(word)
        return True

    def _refuse_own(self, path: Path) -> None:
        """A picture that lies where pictures are sorted to would be found, and sorted, again and again."""
        if path.parent in self._safe_sources:
            return
        if path.parent.resolve().is_relative_to(self._resolved):
            raise UsageError(
                f"{path}: lies in {self.folder}, where pictures are sorted to",
                hint="Name another folder with --sort: nothing is written where pictures come from.",
            )
        self._safe_sources.add(path.parent)


def check_folder(folder: Path, sources: Sequence[Path]) -> None:
    """Raises `UsageError` where it is none, or lies in one whose pictures are asked about."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise UsageError(f"{there}: a file, and pictures are sorted into a folder", hint="Name a folder.")
    for source in sources:
        if folder.resolve().is_relative_to(source.resolve()):
            raise UsageError(
                f"{folder}: lies in {source}, where the pictures come from",
                hint="Name a folder outside of it with --sort.",
            )


def make_folder(folder: Path, task: Task) -> None:
    """Make the folder for a model's answers. Raises `UsageError` where they are no labels."""
    if task == "regression":
        raise UsageError(
            "this model answers with numbers, and there is no folder for each", hint="Leave out --sort."
        )
    folder.mkdir(parents=True, exist_ok=True)


def safe_name(name: str, *, unlike: bool = True) -> str:
    """A name for a file or folder on any system: as it is where that will do, else with a digest of it.

    unlike: whether no other name is the same to a file system that tells no capitals apart.
    """
    cleaned = FORBIDDEN.sub("_", name).rstrip(". ")
    while len(cleaned.encode()) > _LONGEST:
        cleaned = cleaned[:-1]
    if cleaned.startswith(".") or DEVICE.fullmatch(cleaned) or not cleaned:
        cleaned = f"_{cleaned}"
    return cleaned if cleaned == name and unlike else f"{cleaned.rstrip('. ')}-{_digest(name)}"


def _names(home: Path, name: str, member: str) -> Iterator[Path]:
    """The picture's own name, then that with a digest of where it comes from, then numbered."""
    place = urllib.parse.unquote(urllib.parse.urlsplit(name).path) if is_url(name) else member or name
    last = PurePosixPath(place.replace("\\", "/")).name
    stem, dot, suffix = last.rpartition(".")
    if not stem or len(suffix) > 5 or not suffix.isalnum():
        stem, dot, suffix = last, "", ""
    stem = safe_name(stem or "picture")
    end = f"{dot}{suffix}"
    yield home / f"{stem}{end}"
    stem = f"{stem}-{_digest(name)}"
    yield home / f"{stem}{end}"
    number = 1
    while True:
        number += 1
        yield home / f"{stem}-{number}{end}"


def _copy_file(path: Path, part: Path, name: str) -> None:
    with contextlib.ExitStack() as stack:
        try:
            source = stack.enter_context(path.open("rb"))
        except OSError as error:
            raise PictureError(name, f"cannot be copied ({error.strerror})") from error
        with part.open("xb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        facts = os.fstat(source.fileno())
    os.utime(part, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def _write(content: IO[bytes], part: Path) -> None:
    with content, part.open("xb") as copy:
        content.seek(0)
        shutil.copyfileobj(content, copy, 1 << 20)


def _link(path: Path, part: Path, name: str) -> None:
    """A hard link, or a symbolic one where that cannot be: another disk, another owner."""
    target = path.resolve()
    if not target.exists():
        raise PictureError(name, "cannot be linked: it is gone")
    ways: list[Callable[[], None]] = [lambda: part.hardlink_to(target), lambda: part.symlink_to(target)]
    for way in ways:
        try:
            way()
            return
        except OSError as error:
            trouble = error
    raise UsageError(
        f"{part.parent}: takes neither hard nor symbolic links ({trouble.strerror})", hint="Leave out --link."
    )


def _same(part: Path, place: Path) -> bool:
    try:
        if part.is_symlink() or place.is_symlink():
            return part.is_symlink() == place.is_symlink() and part.readlink() == place.readlink()
        if part.stat().st_size != place.stat().st_size:
            return False
        with part.open("rb") as one, place.open("rb") as other:
            while content := one.read(1 << 20):
                if content != other.read(1 << 20):
                    return False
        return True
    except OSError:
        return False


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _digest(word: str) -> str:
    return hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
