"""The files of a folder that nobody vouches for: no link is followed, nothing large, deep or endless is read."""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MIB = 2**20
MOST_FILES = 20_000
"""Entries that are looked at; a larger repository is read in part, and that is said."""
DEEPEST = 24
LARGEST = MIB
LARGEST_NOTEBOOK = 16 * MIB
LARGEST_LOCK = 8 * MIB
MOST_BYTES = 128 * MIB
"""All that is read together."""
LONGEST_LINE = 100_000
_LEFT_OUT = {
    ".git",
    ".hg",
    ".svn",
    "node_modules",
    "site-packages",
    "__pycache__",
    ".tox",
    ".venv",
    ".ipynb_checkpoints",
}
_COOKIE = re.compile(rb"^[ \t\f]*#.{0,200}?coding[:=][ \t]*([-\w.]{1,30})")
_ENCODINGS = re.compile(
    r"utf[-_]?8([-_]sig)?|ascii|latin[-_]?1|iso[-_]?8859[-_]?\d+|(cp|windows[-_]?)\d+|gb(k|2312|18030)|big5"
    r"|shift[-_]jis|euc[-_](jp|kr)|koi8[-_][ru]",
    re.IGNORECASE,
)
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass
class Tree:
    """A folder's files by their paths within it, with `/`; what is left out is in `skipped` with the reason."""

    root: Path
    files: tuple[str, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)
    read: int = 0
    _bytes: int = 0
    _texts: dict[str, str] = field(default_factory=dict)

    def text(self, path: str, largest: int = LARGEST) -> str:
        """A file's text; "" where it cannot be read, which is then in `skipped`. Read once, whoever asks."""
        if path not in self._texts and path not in self.skipped:
            content = self._content(path, largest)
            self._texts[path] = _decoded(content)
            if any(len(line) > LONGEST_LINE for line in content.splitlines()) and not path.endswith(".ipynb"):
                self._texts[path] = ""
                self.skip(path, f"has a line of more than {LONGEST_LINE:,} characters")
        return self._texts.get(path, "")

    def skip(self, path: str, reason: str) -> None:
        """Note what is not read, and why."""
        self.skipped.setdefault(shown(path), reason)

    def named(self, pattern: str, deepest: int = 0) -> list[str]:
        """Files whose name matches a regular expression in whole, `deepest` folders down, the highest first."""
        known = re.compile(pattern, re.IGNORECASE)
        found = [
            path
            for path in self.files
            if path.count("/") <= deepest and known.fullmatch(path.rpartition("/")[2])
        ]
        return sorted(found, key=lambda path: (path.count("/"), path))

    def _content(self, path: str, largest: int) -> bytes:
        if self._bytes > MOST_BYTES:
            self.skip(path, f"{MOST_BYTES // MIB} MiB were read before it")
            return b""
        try:
            content = _read(self.root / path, largest)
        except OSError as error:
            self.skip(path, f"cannot be read ({error.strerror or error})")
            return b""
        if len(content) > largest:
            self.skip(path, f"is larger than {largest / MIB:g} MiB")
            return b""
        self.read += 1
        self._bytes += len(content)
        return content


def read_tree(root: Path) -> Tree:
    """The files under `root`, in the order of their names. Raises `OSError` where that is no folder to read."""
    tree = Tree(root)
    os.scandir(root).close()
    found: list[str] = []
    for path in _walk(tree, ""):
        if len(found) == MOST_FILES:
            tree.skip(path, f"it and what comes after it: a repository is read up to {MOST_FILES:,} files")
            break
        found.append(path)
    tree.files = tuple(found)
    return tree


def shown(name: str) -> str:
    """A name as it may be printed: what a terminal would obey, or what is no text, is written out."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in name
    )


def _walk(tree: Tree, folder: str) -> Iterator[str]:
    folders = [folder]
    while folders:
        folder = folders.pop()
        below = []
        for entry in _entries(tree, folder):
            path = f"{folder}{entry.name}"
            if entry.is_symlink():
                tree.skip(path, "is a link, which is not followed")
            elif entry.is_dir(follow_symlinks=False):
                below += [f"{path}/"] if _is_wanted(tree, path) else []
            elif entry.is_file(follow_symlinks=False):
                yield path
            else:
                tree.skip(path, "is neither a file nor a folder")
        folders += reversed(below)


def _entries(tree: Tree, folder: str) -> list[os.DirEntry[str]]:
    entries = []
    try:
        with os.scandir(tree.root / folder) as found:
            for entry in found:
                entries.append(entry)
                if len(entries) > MOST_FILES:
                    break
    except OSError as error:
        tree.skip(folder, f"cannot be read ({error.strerror})")
    return sorted(entries, key=lambda entry: entry.name)


def _is_wanted(tree: Tree, path: str) -> bool:
    name = path.rpartition("/")[2]
    if name in _LEFT_OUT or (tree.root / path / "pyvenv.cfg").exists():
        if name != ".git":
            tree.skip(path, "is no part of the source")
        return False
    if path.count("/") >= DEEPEST:
        tree.skip(path, f"lies more than {DEEPEST} folders deep")
        return False
    return True


def _read(path: Path, largest: int) -> bytes:
    """Up to one byte more than `largest`. A link, a pipe or a device that took the file's place is not opened."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    handle = os.open(path, flags)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("it is no ordinary file")
        return file.read(largest + 1)


def _decoded(content: bytes) -> str:
    """Text in UTF-8, or in what a mark or a coding line says; whatever is no text in it becomes U+FFFD."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    if not encoding:
        cookies = (_COOKIE.match(line) for line in content[:1000].split(b"\n", 2)[:2])
        encoding = next((cookie[1].decode("ascii", "replace") for cookie in cookies if cookie), "utf-8")
    try:
        return content.decode(
            encoding if encoding == "utf-16" or _ENCODINGS.fullmatch(encoding) else "utf-8", "replace"
        )
    except LookupError:
        return content.decode("utf-8", "replace")
