"""A picture that somebody asks about: its name, and where its bytes come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lensmith.errors import PictureError
from lensmith.pictures.decode import read_picture

MOST_BYTES = 256_000_000
"""Of one picture that does not lie in a file of its own: as many as the most pixels take uncompressed."""

_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_INSIDE = "!"
"""Between an archive and the name of its member."""


@dataclass(frozen=True)
class Asked:
    """name: what it is called in the answers; source: its file, or what gives its bytes.

    member: its name in the archive that holds it. Such a one can be read only before the next is asked for.
    """

    name: str
    source: Path | Callable[[], bytes]
    member: str = ""

    @property
    def path(self) -> Path | None:
        """Its own file, where it has one."""
        return self.source if isinstance(self.source, Path) else None

    def content(self) -> bytes:
        """Its bytes. Raises `PictureError`."""
        return read_picture(self.source, self.name) if isinstance(self.source, Path) else self.source()


@dataclass(frozen=True)
class OnTheWeb:
    """What gives the bytes behind a URL. typed: whether the user named it, so that it may lie in his own network."""

    url: str
    typed: bool

    def __call__(self) -> bytes:
        """Fetch them. Raises `PictureError`."""
        from lensmith.pictures.web import read_url

        return read_url(self.url, typed=self.typed)


def is_url(word: str) -> bool:
    """Whether a word names something on the web."""
    return word.lower().startswith(("http://", "https://"))


def is_archive(file: Path) -> bool:
    """Whether a file's name says that it is an archive which can be read here."""
    return file.name.lower().endswith((".zip", *_TAR))


def member_name(archive: Path, member: str) -> str:
    """What a picture in an archive is called."""
    return f"{archive}{_INSIDE}{member}"


def split_member(name: str) -> tuple[str, str]:
    """A picture's name as file and member, "" where it is a file's."""
    at = name.find(_INSIDE)
    while at >= 0 and not is_archive(Path(name[:at])):
        at = name.find(_INSIDE, at + 1)
    return (name, "") if at < 0 else (name[:at], name[at + 1 :])


def unreadable(name: str, reason: str, hint: str = "") -> Asked:
    """What was named and holds no picture: to be answered with the reason."""

    def refuse() -> bytes:
        raise PictureError(name, reason, hint=hint)

    return Asked(name, refuse)
