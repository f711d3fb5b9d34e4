"""The commit that a folder stands at, and its date, read from git's files by lensmith itself.

git is not asked: a repository's own `.git/config` can name programs that git then runs (fsmonitor, hooks, ssh and gpg
programs, a pager). Nothing here looks at it. Formats: gitformat-pack, gitrepository-layout.
"""

from __future__ import annotations

import re
import struct
import zlib
from datetime import UTC, datetime
from datetime import date as Date
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}")
_MOST = 1 << 20
_LARGEST_INDEX = 256 << 20
_MOST_PACKS = 200
_DEEPEST = 50


def commit_of(root: Path) -> tuple[str | None, Date | None]:
    """The commit of HEAD and the day on which it was made; None each where git's files do not tell."""
    git = root / ".git"
    if not git.is_dir() or git.is_symlink():
        return None, None
    try:
        name = _head(git)
        content = _object(git, name) if name else b""
    except (OSError, ValueError, IndexError, struct.error, zlib.error):
        return None, None
    made = re.search(rb"^committer .*> (\d{1,11}) [+-]\d{4}$", content, re.MULTILINE)
    try:
        return name or None, datetime.fromtimestamp(int(made[1]), UTC).date() if made else None
    except (OSError, OverflowError, ValueError):
        return name or None, None


def _head(git: Path) -> str:
    text = _small(git / "HEAD").decode("ascii", "replace").strip()
    for _ in range(5):
        if not text.startswith("ref: "):
            return text if _COMMIT.fullmatch(text) else ""
        ref = text[5:].strip()
        if not re.fullmatch(r"refs/[\w./+@=-]+", ref) or ".." in ref:
            return ""
        text = (
            _small(git / ref).decode("ascii", "replace").strip() if _is_file(git / ref) else _packed(git, ref)
        )
    return ""


def _packed(git: Path, ref: str) -> str:
    if not _is_file(git / "packed-refs"):
        return ""
    with (git / "packed-refs").open("rb") as file:
        text = file.read(16 * _MOST).decode("utf-8", "replace")
    found = re.search(rf"^([0-9a-f]{{40}}) {re.escape(ref)}$", text, re.MULTILINE)
    return found[1] if found else ""


def _object(git: Path, name: str) -> bytes:
    """A commit's text, loose or out of a pack."""
    loose = git / "objects" / name[:2] / name[2:]
    if _is_file(loose):
        head, _, content = _inflated(_small(loose)).partition(b"\0")
        return content if head.startswith(b"commit ") else b""
    packs = git / "objects" / "pack"
    for index in sorted(packs.glob("pack-*.idx"))[:_MOST_PACKS] if packs.is_dir() else []:
        if _is_file(index) and _is_file(index.with_suffix(".pack")):
            place = _place_in(index, bytes.fromhex(name))
            if place is not None:
                return _unpacked(index, place, 0)
    return b""


def _place_in(index: Path, name: bytes) -> int | None:
    """Where a pack holds an object, by its index (version 2)."""
    if index.stat().st_size > _LARGEST_INDEX:
        return None
    with index.open("rb") as file:
        if file.read(8) != b"\xfftOc\0\0\0\2":
            return None
        fan = struct.unpack(">256I", file.read(1024))
        count = fan[255]
        low, high = (fan[name[0] - 1] if name[0] else 0), fan[name[0]]
        while low < high:
            middle = (low + high) // 2
            file.seek(1032 + 20 * middle)
            found = file.read(20)
            if found == name:
                file.seek(1032 + 24 * count + 4 * middle)
                (place,) = struct.unpack(">I", file.read(4))
                if place >> 31:
                    file.seek(1032 + 28 * count + 8 * (place & 0x7FFFFFFF))
                    (place,) = struct.unpack(">Q", file.read(8))
                return int(place)
            low, high = (middle + 1, high) if found < name else (low, middle)
    return None


def _unpacked(index: Path, place: int, depth: int) -> bytes:
    if depth > _DEEPEST:
        raise ValueError("deltas of deltas")
    with index.with_suffix(".pack").open("rb") as file:
        file.seek(place)
        data = file.read(_MOST)
    kind, at = (data[0] >> 4) & 7, 1
    while data[at - 1] & 0x80:
        at += 1
    if kind == 1:
        return _inflated(data[at:])
    if kind == 6:
        back, at = _offset(data, at)
        if not 0 < back <= place:
            raise ValueError("a delta of what comes after it")
        base = _unpacked(index, place - back, depth + 1)
    elif kind == 7:
        where = _place_in(index, data[at : at + 20])
        if where is None:
            raise ValueError("a delta of what is elsewhere")
        base, at = _unpacked(index, where, depth + 1), at + 20
    else:
        return b""
    return _patched(base, _inflated(data[at:]))


def _offset(data: bytes, at: int) -> tuple[int, int]:
    value = data[at] & 0x7F
    while data[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (data[at] & 0x7F)
    return value, at + 1


def _patched(base: bytes, delta: bytes) -> bytes:
    """A base with a delta applied: runs copied from it, and runs of its own."""
    at, out = 0, bytearray()
    for _ in range(2):  # the sizes of both
        while delta[at] & 0x80:
            at += 1
        at += 1
    while at < len(delta) and len(out) < _MOST:
        order, at = delta[at], at + 1
        if not order & 0x80:
            out += delta[at : at + order]
            at += order
            continue
        numbers = []
        for bits in (range(4), range(4, 7)):
            value = 0
            for shift, bit in enumerate(bits):
                if order & (1 << bit):
                    value |= delta[at] << (8 * shift)
                    at += 1
            numbers.append(value)
        start, size = numbers[0], numbers[1] or 0x10000
        out += base[start : start + size]
    return bytes(out)


def _inflated(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, _MOST)


def _small(path: Path) -> bytes:
    if not _is_file(path):  # a pipe would never end
        raise OSError("it is no ordinary file")
    with path.open("rb") as file:
        return file.read(_MOST)


def _is_file(path: Path) -> bool:
    """An ordinary file, and no link on the way to it within `.git`."""
    inside = path.parts[len(path.parts) - 1 - path.parts[::-1].index(".git") :]
    start = Path(*path.parts[: len(path.parts) - len(inside)])
    steps = [start.joinpath(*inside[: count + 1]) for count in range(len(inside))]
    return path.is_file() and not any(step.is_symlink() for step in steps)
