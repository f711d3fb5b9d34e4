"""Pictures dealt to shards: tar files as WebDataset reads them, and an index of ours beside them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lensmith.data.contents import Contents, is_file
from lensmith.data.dataset import SPLITS, Example, ImageDataset, Skipped
from lensmith.data.labelled_folder import SUFFIX
from lensmith.data.picture_rows import folder_of, path_from
from lensmith.data.shard_index import COLUMNS, FILE, FORMAT, VERSION
from lensmith.errors import DataError, PictureError, UsageError
from lensmith.pictures.decode import format_of
from lensmith.runs.files import replacing, write_bytes
from lensmith.shards.member import Member
from lensmith.types import Event

_TOLD = 64
"""Pictures after which progress is told."""
_BLOCK = 512


@dataclass(frozen=True)
class Limits:
    """How large a shard gets: so many bytes at most, and so many pictures; one picture is in it anyway."""

    bytes: int = 256_000_000
    count: int = 100_000


@dataclass(frozen=True)
class Written:
    """What came of it: the shards' names, how many pictures are in them, and those that are not."""

    folder: Path
    shards: list[str]
    count: int
    bytes: int
    skipped: tuple[Skipped, ...]


def write_shards(
    data: ImageDataset, folder: Path, source: object = None, limits: Limits | None = None, seed: int = 0
) -> Generator[Event, None, Written]:
    """Write the files of all pictures, byte for byte, into a new folder of shards; a generator of progress.

    Each split has shards of its own, and its pictures are dealt to them as `seed` shuffles them. source: where the
    data came from; paths in the index are from there. The folder gets its name when everything is in it.
    Raises `UsageError` for data that lie in no files, and for a folder that is taken or under the data.
    """
    _refuse(data, folder, source)
    parts = _dealt(data, limits or Limits(), seed)
    with _beside(folder) as place:
        told = yield from _write(data, parts, place, folder_of(source))
        shards, skipped = told.shards, told.skipped
        count = sum(shard["count"] for shard in shards)
        if not count:
            raise DataError(
                f"{data.name}: no picture can be written",
                hint=f"The first, {skipped[0].file}: {skipped[0].reason}." if skipped else "",
            )
        index = {
            FORMAT: VERSION,
            "name": data.name,
            "task": data.task,
            "classes": data.classes,
            "count": count,
            "seed": seed,
            "skipped": [{"file": one.file, "reason": one.reason} for one in skipped],
            "shards": shards,
        }
        text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
        write_bytes(place / FILE, text.encode("utf-8", "backslashreplace"))
    names = [shard["file"] for shard in shards]
    return Written(folder, names, count, sum(shard["bytes"] for shard in shards), tuple(skipped))


def _refuse(data: ImageDataset, folder: Path, source: object) -> None:
    for example in data.examples:
        if not is_file(example.source):
            raise UsageError(
                f"{data.name}: {example.source} lies in no file, and shards hold files as they are",
                hint="lensmith sample NAME DIR writes a sample set as files.",
            )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} already holds something", hint="Give a new or empty folder.")
    is_folder = isinstance(source, str | Path) and Path(source).is_dir()  # beside a table there is room
    if is_folder and folder.resolve().is_relative_to(Path(str(source)).resolve()):
        raise UsageError(
            f"{folder} lies under the data, {source}, where nothing is written",
            hint="Give a folder elsewhere.",
        )


@dataclass(frozen=True)
class _Part:
    """The rows that a shard is to hold, all of one split."""

    name: str
    split: str
    rows: list[int]


def _dealt(data: ImageDataset, limits: Limits, seed: int) -> list[_Part]:
    """Which rows go into which shard, in the order in which they are written."""
    drawn = np.random.default_rng(seed).permutation(len(data)).tolist()
    parts: list[_Part] = []
    for split in ("", *SPLITS):
        number, held = 0, 0
        for row in drawn:
            if data.examples[row].split != split:
                continue
            size = sum(_padded(part) + _BLOCK for part in (_size(data.examples[row].source), _BLOCK))
            if not number or held + size > limits.bytes or len(parts[-1].rows) >= limits.count:
                name = f"{split}-{number:05d}.tar" if split else f"{number:05d}.tar"
                parts.append(_Part(name, split, []))
                number, held = number + 1, 0
            parts[-1].rows.append(row)
            held += size
    return parts


def _size(source: object) -> int:
    """Of a file; what cannot be asked will say why when it is read."""
    if isinstance(source, Member):
        return source.size
    with contextlib.suppress(OSError, ValueError):
        return Path(str(source)).stat().st_size
    return 0


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A hidden neighbour that takes the folder's name when the block ends well, and else goes."""
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        place = Path(
            tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.absolute().parent)
        )
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written ({error.strerror})", hint="Give another DIR."
        ) from error
    try:
        yield place
        place.chmod(0o755)
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()
        place.rename(folder)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _write(
    data: ImageDataset, parts: Sequence[_Part], place: Path, root: str
) -> Generator[Event, None, _Told]:
    """Fill shard after shard; those that get no picture are not there. root: the folder that paths are taken from."""
    told = _Told()
    rows = [row for part in parts for row in part.rows]
    done = 0
    with contextlib.closing(Contents([data.examples[row] for row in rows])) as contents:
        for part in parts:
            with replacing(place / part.name) as file:
                shard = _Shard(file)
                for row in part.rows:
                    example = data.examples[row]
                    content, suffix = _content(contents, done, example, told.skipped)
                    if suffix:
                        shard.add(f"{done:09d}{suffix}", content, data, example, path_from(root, example))
                    done += 1
                    if done % _TOLD == 0 and done < len(rows):
                        yield Event("shards", "pictures", done, len(rows))
                shard.end()
            if count := len(shard.columns["names"]):
                facts = {"count": count, "bytes": shard.at, "sha256": shard.digest.hexdigest()}
                told.shards.append({"file": part.name, "split": part.split, **facts, **shard.columns})
            else:
                (place / part.name).unlink()
    return told


@dataclass
class _Told:
    """What the index says of shards, and of what is in none."""

    shards: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def _content(contents: Contents, at: int, example: Example, skipped: list[Skipped]) -> tuple[bytes, str]:
    """A picture's bytes and the suffix of what they are; "" where it is left out, with the reason."""
    try:
        content = contents.take(at) or b""
    except PictureError as error:
        skipped.append(Skipped(str(example.source), error.reason))
        return b"", ""
    kind = format_of(content)
    if kind not in SUFFIX:
        reason = (
            f"{kind}, which training leaves out" if kind else "not a picture" if content else "empty file"
        )
        skipped.append(Skipped(str(example.source), reason))
    return content, SUFFIX.get(kind, "")


class _Shard:
    """A tar while it is written: the same bytes from the same pictures, whenever and by whomever."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.at = 0
        self.digest = hashlib.sha256()
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}

    def add(self, name: str, content: bytes, data: ImageDataset, example: Example, path: str) -> None:
        """A picture and its label. name: KEY.SUFFIX."""
        self._member(name, content)
        row = (name, path, self.at - _padded(len(content)), len(content), example.sha256)
        key = name.partition(".")[0]
        if data.task == "classification":
            self._member(f"{key}.cls", str(example.target).encode())
        else:
            self._member(f"{key}.json", json.dumps(example.target).encode())
        for column, value in zip(self.columns.values(), (*row, example.target, example.group), strict=True):
            column.append(value)

    def end(self) -> None:
        """Two empty blocks."""
        self._write(bytes(2 * _BLOCK))

    def _member(self, name: str, content: bytes) -> None:
        header = tarfile.TarInfo(name)
        header.size, header.mode = len(content), 0o644
        self._write(header.tobuf(tarfile.USTAR_FORMAT))
        self._write(content + bytes(_padded(len(content)) - len(content)))

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self.digest.update(content)
        self.at += len(content)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
