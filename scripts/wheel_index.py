"""A package index as pip is configured to ask it: which wheels there are, and what is in one without all of it."""

from __future__ import annotations

import functools
import io
import json
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from dataclasses import dataclass
from email.parser import Parser

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename
from packaging.version import Version

DEFAULT = "https://pypi.org/simple"
JSON = "application/vnd.pypi.simple.v1+json"
# Few requests, and no more read than is needed: a wheel of torch has 12,000 files in its directory.
PIECE = 2**20
_GLIBC = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}


@dataclass(frozen=True)
class Wheel:
    """One file on the index. platform: `linux_x86_64` and its like; system: the glibc or macOS that it asks for."""

    version: Version
    url: str
    uploaded: str
    requires_python: str
    pythons: tuple[str, ...]
    platform: str
    system: str


class Index:
    """The index that pip would ask."""

    def __init__(self) -> None:
        self.url = _pip("index-url") or DEFAULT
        self._context = ssl.create_default_context(cafile=_pip("cert") or None)

    @functools.cache  # noqa: B019  (one index lives as long as the program)
    def _all(self, name: str) -> tuple[Wheel, ...]:
        with self._ask(f"{self.url.rstrip('/')}/{name}/", Accept=JSON) as answer:
            files = json.load(answer)["files"]
        wheels = [
            _read(file) for file in files if file["filename"].endswith(".whl") and not file.get("yanked")
        ]
        return tuple(wheel for wheel in wheels if wheel is not None)

    def wheels(self, name: str, version: Version | None = None) -> list[Wheel]:
        """The wheels of a package for CPython with its lock, of one version or of all; the newest Python last."""
        found = [wheel for wheel in self._all(name) if version is None or wheel.version == version]
        return sorted(found, key=lambda wheel: (wheel.version, [Version(one) for one in wheel.pythons]))

    def versions(self, name: str) -> list[Version]:
        """The releases of a package that are no candidates, oldest first."""
        return sorted({wheel.version for wheel in self._all(name) if not wheel.version.is_prerelease})

    def pythons(self, name: str, version: Version, platform: str) -> str:
        """The Pythons that a release has wheels for, as a specifier; empty where there is none."""
        wheels = [wheel for wheel in self.wheels(name, version) if wheel.platform == platform]
        minors = sorted({int(one.partition(".")[2] or 0) for wheel in wheels for one in wheel.pythons})
        if not minors:
            return ""
        # A patch release that the metadata excludes is kept; its lower bound is what the wheels say already.
        extra = [str(one) for one in SpecifierSet(wheels[0].requires_python) if one.operator == "!="]
        if minors == [0]:  # py3-none
            return ",".join(
                [
                    *(str(one) for one in SpecifierSet(wheels[0].requires_python) if one.operator == ">="),
                    *extra,
                ]
            )
        if minors != list(range(minors[0], minors[-1] + 1)):
            raise ValueError(f"{name} {version} for {platform} has a gap: {minors}")
        return ",".join([f">=3.{minors[0]}", f"<3.{minors[-1] + 1}", *extra])

    def system(self, name: str, version: Version, platform: str) -> str:
        """The glibc or macOS that the least demanding wheel of a release asks for; empty for Windows."""
        found = [wheel.system for wheel in self.wheels(name, version) if wheel.platform == platform]
        return min(found, key=lambda one: [int(part) for part in one.split(".") if part], default="")

    def needs(self, wheel: Wheel, name: str) -> SpecifierSet:
        """What a wheel asks of another package; empty where it asks nothing."""
        with self.open(wheel) as content:
            file = next(one for one in content.namelist() if one.endswith(".dist-info/METADATA"))
            metadata = Parser().parsestr(content.read(file).decode())
        lines = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
        return next((one.specifier for one in lines if one.name == name), SpecifierSet())

    def open(self, wheel: Wheel) -> zipfile.ZipFile:
        """A wheel as a zip that fetches what is read of it; whole, where the index serves no ranges."""
        with self._ask(wheel.url, Range="bytes=0-0") as answer:
            if answer.status == 206:
                size = int(answer.headers["Content-Range"].rpartition("/")[2])
                return zipfile.ZipFile(io.BufferedReader(_Ranges(self, wheel.url, size), PIECE))
            copy = tempfile.TemporaryFile()  # noqa: SIM115  (goes with the zip that reads it)
            shutil.copyfileobj(answer, copy)
            return zipfile.ZipFile(copy)

    def _ask(self, url: str, **headers: str):  # type: ignore[no-untyped-def]  # urllib has no name for it
        request = urllib.request.Request(url, headers=headers)
        return urllib.request.urlopen(request, timeout=60, context=self._context)


class _Ranges(io.RawIOBase):
    """A file on a server, read in ranges."""

    def __init__(self, index: Index, url: str, size: int) -> None:
        self._index, self._url, self._size, self._place = index, url, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]  # as io declares it
        end = min(self._place + len(buffer), self._size)
        if end <= self._place:
            return 0
        with self._index._ask(self._url, Range=f"bytes={self._place}-{end - 1}") as answer:
            piece = answer.read()
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)


def _read(file: dict) -> Wheel | None:  # type: ignore[type-arg]  # one entry of the index's JSON
    """None for PyPy, for builds without the lock, and for platforms that torch has no other wheels for."""
    _, version, _, tags = parse_wheel_filename(file["filename"])
    kept = [tag for tag in tags if re.fullmatch(r"cp3\d+|py3", tag.interpreter) and not tag.abi.endswith("t")]
    if not kept:
        return None
    pythons = sorted({re.sub(r"^\D+(\d)(\d*)$", r"\1.\2", tag.interpreter).rstrip(".") for tag in kept})
    platform, system = _platform(kept[0])
    requires = file.get("requires-python") or ""
    return Wheel(version, file["url"], file["upload-time"][:10], requires, tuple(pythons), platform, system)


def _platform(tag: Tag) -> tuple[str, str]:
    """`manylinux_2_28_x86_64` -> `linux_x86_64`, `2.28`."""
    if found := re.fullmatch(r"(manylinux|macosx)_(\d+)_(\d+)_(\w+)", tag.platform):
        kind, major, minor, processor = found.groups()
        return f"{kind.removeprefix('many')}_{processor}", f"{major}.{minor}"
    if found := re.fullmatch(r"(manylinux\d+)_(\w+)", tag.platform):
        return f"linux_{found.group(2)}", _GLIBC[found.group(1)]
    return tag.platform, ""


def _pip(name: str) -> str:
    """What pip is configured to, from its files or the environment; empty where nothing is said."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found = {line.partition("=")[0]: line.partition("=")[2].strip("'") for line in done.stdout.splitlines()}
    return found.get(f":env:.{name}") or found.get(f"install.{name}") or found.get(f"global.{name}", "")
