"""Installed packages by their metadata, in the folders where a Python looks for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from lensmith.machine.source import Source, literally

_KINDS = ("dist-info/METADATA", "egg-info/PKG-INFO", "egg-info")


@dataclass(frozen=True)
class Package:
    """One installation of a package: the folder that holds its modules, its metadata, and what wrote it."""

    name: str
    version: str
    folder: str
    info: str
    installer: str
    needs: tuple[Requirement, ...]


def find_package(source: Source, name: str) -> Package | None:
    """The installation that an import would find, or None."""
    return next(find_packages(source, name), None)


def find_packages(source: Source, name: str) -> Iterator[Package]:
    """Every installation in the folders where this Python looks, in that order."""
    spelled = re.sub(r"[-_.]+", "[-_.]", name)
    spelled = f"[{spelled[0].lower()}{spelled[0].upper()}]{spelled[1:]}"
    for folder in source.python.path:
        for kind in _KINDS:
            for file in source.names(f"{literally(folder)}/{spelled}-*.{kind}"):
                package = _read(source, folder, file)
                if package is not None:
                    yield package


def _read(source: Source, folder: str, file: str) -> Package | None:
    text = source.text(file, headers)
    if text is None:
        return None
    said = re.findall(r"^([\w-]+):[ \t]*(.*)$", text, re.MULTILINE)
    fields = dict(said)
    info = file.rpartition("/")[0]
    if not is_version(fields.get("Version", "").strip()):
        return None
    return Package(
        name=fields.get("Name", "").strip(),
        version=fields["Version"].strip(),
        folder=folder,
        info=info,
        installer=(source.text(f"{info}/INSTALLER") or "").strip(),
        needs=tuple(_requirements(value for field, value in said if field == "Requires-Dist")),
    )


def headers(metadata: str) -> str:
    """Of METADATA, name, version and what it needs; the long description is left out."""
    # A line of spaces alone goes on with a field before it, such as a licence of many paragraphs.
    head = re.split(r"\r?\n\r?\n", metadata, maxsplit=1)[0]
    return "\n".join(
        re.findall(r"^(?:Metadata-Version|Name|Version|Requires-Dist|Provides-Extra):.*$", head, re.MULTILINE)
    )


def _requirements(lines: Iterator[str]) -> Iterator[Requirement]:
    for line in lines:
        try:
            yield Requirement(line.strip())
        except InvalidRequirement:
            continue


def is_version(text: str) -> bool:
    """Whether packages may have this version."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
