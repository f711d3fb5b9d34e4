"""The pictures in a zip or tar, read one at a time and never unpacked to disk.

Names of members are only shown, so none can lead out of the archive. What a member takes in memory is limited,
whatever its header says; of a tar, also what its headers take and how much it unpacks to.
"""

from __future__ import annotations

import functools
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from lensmith.errors import PictureError
from lensmith.pictures.asked import MOST_BYTES, Asked, member_name, unreadable
from lensmith.pictures.decode import format_of
from lensmith.pictures.tarstream import Unpacked, open_unpacked

_HEAD = 64
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # a method or an encryption that zipfile lacks
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)

Wanted = Callable[[str], bool]


def archived(file: Path, wanted: Wanted) -> Iterator[Asked]:
    """The members of an archive whose names are wanted, called ARCHIVE!MEMBER; each is to be read in its turn.

    What is damaged, encrypted, a link or too large is given too, to be answered with the reason.
    """
    members = _zipped if file.name.lower().endswith(".zip") else _tarred
    yield from members(file, wanted)


def _zipped(file: Path, wanted: Wanted) -> Iterator[Asked]:
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                # Of two members of one name the last is the one that unpacking would leave.
                is_last = archive.NameToInfo[member.filename] is member
                if wanted(member.filename) and is_last and not member.is_dir():
                    name = member_name(file, member.filename)
                    yield Asked(name, functools.partial(_read_zipped, archive, member, name), member.filename)
    except _DAMAGE as error:
        yield unreadable(str(file), f"cannot be read as a zip ({error})", hint="The copy may not be whole.")


def _read_zipped(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    if member.flag_bits & 1:
        raise PictureError(name, "encrypted", hint="Unpack the archive with its password first.")
    _refuse_large(name, member.file_size)
    try:
        with archive.open(member) as opened:
            content = opened.read(_HEAD)
            if format_of(content):  # else it need not be inflated to be refused
                content += opened.read(MOST_BYTES)
    except _DAMAGE as error:
        raise PictureError(name, f"damaged in the archive ({error})") from error
    return content


def _tarred(file: Path, wanted: Wanted) -> Iterator[Asked]:
    try:
        with open_unpacked(file) as stream:
            with stream.reading_headers():
                archive = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115  # it has nothing to close
            while (member := _next(archive, stream)) is not None:
                if not member.isdir() and wanted(member.name):
                    yield _tar_member(member_name(file, member.name), member, stream)
            if not stream.at_end:
                yield unreadable(str(file), "cut off: it lacks the end of a tar", hint="Copy it again.")
    except _DAMAGE as error:
        yield unreadable(str(file), f"cannot be read any further as a tar ({error})", hint="Copy it again.")


def _next(archive: tarfile.TarFile, stream: Unpacked) -> tarfile.TarInfo | None:
    archive.members = []  # type: ignore[attr-defined]  # else it keeps them all
    with stream.reading_headers():
        member = archive.next()
    stream.expect(archive.offset)
    return member


def _tar_member(name: str, member: tarfile.TarInfo, stream: Unpacked) -> Asked:
    if member.issym() or member.islnk():
        return unreadable(name, f"a link to {member.linkname}, which is not followed in an archive")
    if not member.isreg() or member.issparse():
        return unreadable(name, "not an ordinary file in the archive")
    return Asked(name, functools.partial(_read_tarred, name, member, stream), member.name)


def _read_tarred(name: str, member: tarfile.TarInfo, stream: Unpacked) -> bytes:
    _refuse_large(name, member.size)
    try:
        stream.seek(member.offset_data)
        content = stream.read(member.size)
    except _DAMAGE as error:
        raise PictureError(name, f"damaged in the archive ({error})") from error
    if len(content) < member.size:
        raise PictureError(name, f"cut off after {len(content):,} of {member.size:,} bytes")
    return content


def _refuse_large(name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise PictureError(name, f"unpacks to more than {MOST_BYTES // 1_000_000} MB")
