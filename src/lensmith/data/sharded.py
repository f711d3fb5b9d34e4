"""Shards as data: a folder of tar files, one of them, `{00000..00011}` for several, or the same behind a URL."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from lensmith.data.dataset import ImageDataset
from lensmith.data.folders import SPLIT_NAMES, is_of_the_system, looks_like_picture
from lensmith.data.shard_index import FILE, read_index
from lensmith.data.tar_samples import read_samples
from lensmith.errors import DataError
from lensmith.pictures.asked import Asked, unreadable
from lensmith.shards.ahead import Ahead
from lensmith.shards.member import Member, Shard
from lensmith.shards.passing import Passing
from lensmith.shards.places import Place, is_remote, place_of
from lensmith.types import Task

_TAR = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2")
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST = 1_000_000
"""Shards that braces may stand for."""
_CLASSES = ("classes.txt", "classnames.txt")
_MOST_CLASSES = 10_000_000
_WORDS = re.compile("[a-z]+")


def are_shards(word: str) -> bool:
    """Whether a word names shards: a URL, a tar file, braces, or a folder with tar files and no class folders."""
    if is_remote(word):
        return True
    path = Path(word)
    if path.is_file():
        return _is_tar(path.name)
    if not path.is_dir():
        return _BRACES.search(path.name) is not None and _is_tar(path.name)
    try:
        tars, folders = _looked_into(path)
        if tars and (path / FILE).is_file():
            return True
        holding = [name for name in folders if _is_split(name) and _looked_into(path / name) == (True, [])]
    except OSError:  # read_folder has the words for it
        return False
    return len(holding) == len(folders) and (bool(holding) or tars)


def _looked_into(folder: Path) -> tuple[bool, list[str]]:
    """Whether there are tar files in a folder, and the folders in it."""
    tars, folders = False, []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_of_the_system(entry.name):
                tars = tars or _is_tar(entry.name)
                if entry.is_dir():
                    folders.append(entry.name)
    return tars, folders


def read_shards(word: str, task: Task | None = None) -> ImageDataset:
    """The pictures in shards; their bytes stay where they are. Raises `DataError` where there are none.

    With an `index.json` that `lensmith shards` wrote, as it says. Of other shards the headers are passed through
    once; the names of their classes are the lines of `classes.txt`, where it is beside them; a shard's split is told
    by its name or its folder (`train-00000.tar`, `val/00000.tar`), for all shards or for none.
    """
    place, names = _found(word)
    data = read_index(place) if names is None else None
    if data is not None:
        return data
    names = names or _listed(place, word)
    splits = [_split(name) for name in names]
    if len(set(splits)) > 1 and "" in splits:
        raise DataError(
            f"{place.called(names[splits.index('')])}: of no split, and other shards beside it are of one",
            hint="Name one kind of them: with braces, or by a folder of their own.",
        )
    if "train" not in splits:
        splits = [""] * len(names)  # a part that somebody asked for by itself
    shards = [Shard(place, name, place.facts(name)) for name in names]
    name = _parted(word)[1].partition(".tar")[0] or word
    return read_samples(list(zip(shards, splits, strict=True)), _classes(place), name, task)


def shards_in(word: str) -> dict[str, str]:
    """The names of shards, and what each is called. Raises `DataError` where there are none."""
    place, names = _found(word)
    if names is None:
        names = list(dict.fromkeys(member.shard.name for member in _indexed(word))) or _listed(place, word)
    return {name: place.called(name) for name in names}


def called(word: str, shard: str) -> str:
    """What one of the shards that a word names is called."""
    return _found(word)[0].called(shard)


def pictures_in(word: str, only: str = "") -> Iterator[Asked]:
    """Every picture in shards, labelled or not, to be read in its turn; what cannot be used is given too, to be
    answered with the reason. only: the name of one shard. Raises `DataError` where nothing is there."""
    place, names = _found(word)
    indexed = [] if names else _indexed_once(word) if only else _indexed(word)
    if indexed:
        yield from _asked([member for member in indexed if only in ("", member.shard.name)])
        return
    for name in [only] if only else names or _listed(place, word):
        shard = Shard(place, name, place.facts(name))
        members: list[Member] = []
        for one in Passing(shard).members():
            path = PurePosixPath(one.name)
            if one.trouble:
                yield unreadable(f"{shard}!{one.name}" if one.name else str(shard), one.trouble)
            elif looks_like_picture(path) and not any(map(is_of_the_system, path.parts)):
                members.append(Member(shard, one.name, one.offset, one.size))
        yield from _asked(members)


def _indexed(word: str) -> list[Member]:
    """The pictures that an index names; none where there is no index."""
    data = read_index(place_of(word))
    return [] if data is None else [one.source for one in data.examples if isinstance(one.source, Member)]


_indexed_once = functools.lru_cache(maxsize=1)(_indexed)
"""For a process that is given one shard after another."""


def _asked(members: Sequence[Member]) -> Iterator[Asked]:
    ahead = Ahead(members)
    for at, member in enumerate(members):
        yield Asked(str(member), functools.partial(ahead.take, at))


def _found(word: str) -> tuple[Place, list[str] | None]:
    """Where shards lie, and their names where the word says them."""
    folder, last = _parted(word)
    if _is_tar(last) and not Path(word).is_dir():
        return place_of(folder), _expanded(last)
    return place_of(word), None


def _listed(place: Place, word: str) -> list[str]:
    """The shards in a place. Raises `DataError` where there are none, or nobody tells."""
    names = place.names()
    if names is None:
        raise DataError(
            f"{word}: no {FILE} of lensmith there, and a web server lists no files",
            hint=f"Name the shards: {word.rstrip('/')}/{{00000..00011}}.tar",
        )
    names = [name for name in names if _is_tar(name) and not any(map(is_of_the_system, name.split("/")))]
    if not names:
        raise DataError(
            f"{place.called('').rstrip('/')}: no tar files there",
            hint="Shards are called 00000.tar and the like.",
        )
    return names


def _parted(word: str) -> tuple[str, str]:
    """The folder and the last name of a path or URL; what stands after a `?` belongs to the folder."""
    if not is_remote(word):
        path = Path(word)
        return str(path.parent), path.resolve().name if path.is_dir() else path.name
    path_part, mark, query = word.partition("?")
    folder, _, last = path_part.rstrip("/").rpartition("/")
    return folder + mark + query, last


def _classes(place: Place) -> list[str] | None:
    for name in _CLASSES:
        content = place.whole(name, _MOST_CLASSES)
        if content is not None:
            return content.decode("utf-8-sig", "replace").rstrip().splitlines()
    return None


def _expanded(name: str) -> list[str]:
    """`a-{00..11}.tar` as the names that it stands for."""
    match = _BRACES.search(name)
    if match is None:
        return [name]
    first, last = int(match[1]), int(match[2])
    if not 0 <= last - first < _MOST:
        raise DataError(f"{name}: from {first} to {last} there is no row of shards")
    numbers = [f"{number:0{len(match[1])}d}" for number in range(first, last + 1)]
    return [one for number in numbers for one in _expanded(name.replace(match[0], number, 1))]


def _split(name: str) -> str:
    """By a word of its path, the last that is one."""
    words = [word for word in _WORDS.findall(name.lower().partition(".tar")[0]) if word in SPLIT_NAMES]
    return SPLIT_NAMES[words[-1]] if words else ""


def _is_split(name: str) -> bool:
    return name.lower() in SPLIT_NAMES


def _is_tar(name: str) -> bool:
    return name.lower().endswith(_TAR)
