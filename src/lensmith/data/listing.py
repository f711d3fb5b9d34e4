"""What the words of a command line name: pictures, one at a time, however many there are."""

from __future__ import annotations

import glob
import os
import sys
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from lensmith.data.folders import is_of_the_system, looks_like_picture
from lensmith.data.sharded import are_shards, pictures_in
from lensmith.data.tables import is_table, table_paths
from lensmith.errors import DataError, PictureError
from lensmith.pictures.asked import MOST_BYTES, Asked, OnTheWeb, is_archive, is_url, unreadable

STDIN = "-"


@dataclass(frozen=True)
class Archive:
    """A zip or tar that was named."""

    path: Path

    def pictures(self) -> Iterator[Asked]:
        """The members whose names are a picture's; each is to be read in its turn."""
        from lensmith.pictures.archives import archived

        yield from archived(self.path, _is_picture_member)


@dataclass(frozen=True)
class Shards:
    """Shards that were named; only: the name of one of them, "" for all."""

    word: str
    only: str = ""

    def pictures(self) -> Iterator[Asked]:
        """All of them, or the reason why there are none."""
        try:
            yield from pictures_in(self.word, self.only)
        except DataError as error:
            yield unreadable(self.word, error.message.removeprefix(f"{self.word}: "), hint=error.hint)


def pictures_named(words: Iterable[str]) -> Iterator[Asked]:
    """Pictures, folders, patterns, tables (CSV), archives, shards, URLs and `-`, in the order of the words.

    Below a folder and in an archive those whose names are a picture's, in the order of their names; in a table
    all. What a word is, its name says. A word that leads nowhere is given too, to be answered with the reason.
    """
    for place in places_named(words):
        if isinstance(place, Asked):
            yield place
        else:
            yield from place.pictures()


def places_named(words: Iterable[str]) -> Iterator[Asked | Archive | Shards]:
    """As `pictures_named`, with archives and shards left closed."""
    for word in words:
        if word == STDIN:
            yield Asked(STDIN, _read_stdin)
        elif _names_shards(word):
            yield Shards(word)
        elif is_url(word):
            yield Asked(word, OnTheWeb(word, typed=True))
        elif _is_pattern(word):
            yield from _matches(word)
        else:
            yield from _at(word)


def folders_named(words: Iterable[str]) -> list[Path]:
    """The folders among what the words name."""
    named = [word for word in words if not is_url(word)]
    found = [match for word in named for match in (_matching(word) if _is_pattern(word) else [word])]
    return [Path(word) for word in found if Path(word).is_dir()]


def _names_shards(word: str) -> bool:
    """A URL is one of shards where it ends as a folder or a tar file does; a tar file here is an archive."""
    if is_url(word):
        return urllib.parse.urlsplit(word).path.endswith(("/", ".tar"))
    return not Path(word).is_file() and are_shards(word)


def _is_pattern(word: str) -> bool:
    return glob.has_magic(word) and not os.path.lexists(word)


def _matching(pattern: str) -> list[str]:
    return sorted(glob.iglob(pattern, recursive=True))  # noqa: PTH207  # absolute ones too


def _at(word: str) -> Iterator[Asked | Archive]:
    path = Path(word)
    if path.is_dir():
        yield from _below(word)
    elif is_archive(path):
        yield Archive(path)
    elif is_table(path):
        yield from _tabled(path)
    else:
        yield Asked(word, path)


def _matches(pattern: str) -> Iterator[Asked | Archive]:
    """What a shell would have put in the place of a pattern that was quoted; files that are no pictures aside."""
    found = False
    typed = {*PurePath(pattern).parts, os.curdir, os.pardir}
    # what lies in a folder then matches by itself
    no_folders = "**" in pattern and not PurePath(pattern).name.strip("*.")
    for word in _matching(pattern):
        path = Path(word)
        hidden = any(is_of_the_system(part) for part in path.parts if part not in typed)
        if hidden or (path.is_dir() and no_folders):
            continue
        if path.is_dir() or looks_like_picture(path) or is_archive(path) or is_table(path):
            found = True
            yield from _at(word)
    if not found:
        yield unreadable(
            pattern, "no picture matches this pattern", hint="* is part of a name, ** any folders."
        )


def _below(folder: str) -> Iterator[Asked]:
    """In the order of the names. Names are kept and not paths: a folder may hold a million."""
    waiting: list[Iterator[tuple[str, bool] | Asked]] = [_names_in(folder)]
    while waiting:
        entry = next(waiting[-1], None)
        if entry is None:
            waiting.pop()
        elif isinstance(entry, Asked):
            yield entry
        elif entry[1]:
            waiting.append(_names_in(entry[0]))
        else:
            yield Asked(entry[0], Path(entry[0]))


def _names_in(folder: str) -> Iterator[tuple[str, bool] | Asked]:
    """`(path, whether it is a folder)` of each folder and picture; links to folders may lead back, so not those."""
    kinds: dict[str, bool] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_of_the_system(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    kinds[entry.name] = True
                elif looks_like_picture(PurePath(entry.name)) and _is_file(entry):
                    kinds[entry.name] = False
    except OSError as error:
        yield unreadable(folder, f"cannot be opened ({error.strerror})")
    for name in sorted(kinds):
        yield str(Path(folder, name)), kinds[name]


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False


def _is_picture_member(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    hidden = any(is_of_the_system(part) for part in path.parts if part not in ("/", ".", ".."))
    return looks_like_picture(path) and not hidden


def _tabled(table: Path) -> Iterator[Asked]:
    """The pictures of a CSV; where it comes from nobody knows, so its URLs may not lead into this network."""
    try:
        for number, cell in table_paths(table):
            if not cell:
                yield unreadable(f"{table}:{number}", "no path in this row")
            elif is_url(cell):
                yield Asked(cell, OnTheWeb(cell, typed=False))
            else:
                path = table.parent / cell
                # a pipe would never end, nor would some devices
                strange = path.exists() and not path.is_file()
                yield unreadable(str(path), "not an ordinary file") if strange else Asked(str(path), path)
    except DataError as error:
        yield unreadable(str(table), error.message.removeprefix(f"{table}: "), hint=error.hint)


def _read_stdin() -> bytes:
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise PictureError(STDIN, f"more than {MOST_BYTES // 1_000_000} MB on stdin")
    return content
