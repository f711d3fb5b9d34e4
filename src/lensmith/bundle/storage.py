"""A bundle's files on disk: a folder, or the same as one uncompressed zip (`.lens`). Digests are checked."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from lensmith.bundle.facts import (
    FACTS,
    FILES,
    GRAPH,
    MOST_FACTS,
    NEIGHBOURS,
    WEIGHTS,
    BundleFacts,
    digests,
    facts_from,
)
from lensmith.bundle.neighbour_file import MOST_NEIGHBOURS, neighbours_from
from lensmith.bundle.pointers import refuse_pointers
from lensmith.errors import ModelFileError, UsageError
from lensmith.runs.directory import LAST, RunDirectory, find_run
from lensmith.runs.files import replacing, write_bytes

SUFFIX = ".lens"


def write_bundle(path: Path, facts: BundleFacts, files: Mapping[str, bytes]) -> None:
    """Write a folder or a `.lens` file, whole or not at all. Raises `UsageError` where that cannot be."""
    try:
        if path.suffix == SUFFIX:
            write_zip(path, facts, files)
        else:
            _write_folder(path.resolve(), facts, files)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from error
    except TypeError as error:
        raise UsageError(f"{path}: its facts cannot be written as JSON ({error})") from error


def write_zip(path: Path, facts: BundleFacts, files: Mapping[str, bytes]) -> None:
    """One uncompressed zip, whole or not at all, whatever its name."""
    said = facts.as_json()
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(FACTS, said)


def _write_folder(path: Path, facts: BundleFacts, files: Mapping[str, bytes]) -> None:
    others = {file.name for file in path.iterdir()} - {FACTS, *FILES} if path.exists() else set()
    if others:
        raise UsageError(
            f"{path} holds {min(others)}, which is no part of a bundle",
            hint=f"Name a new or empty folder, an older bundle, or a file that ends in {SUFFIX}.",
        )
    said = facts.as_json()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        beside.chmod(0o755)
        for name, content in files.items():
            write_bytes(beside / name, content)
        write_bytes(beside / FACTS, said)
        take_place(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def take_place(new: Path, path: Path) -> None:
    """Put a whole folder in the place of an older one, which goes only when the new one stands."""
    older = path.with_name(f".{path.name}-older")
    if path.exists():
        shutil.rmtree(older, ignore_errors=True)
        path.rename(older)
    new.rename(path)
    shutil.rmtree(older, ignore_errors=True)


def update_facts(folder: Path, facts: BundleFacts) -> None:
    """Replace what a bundle folder says of itself; its files stay."""
    write_bytes(folder / FACTS, facts.as_json())


def locate(word: str | Path) -> Path:
    """The bundle that a word stands for: a `.lens` file, a bundle folder, a run directory, or `last`."""
    path = Path(word)
    if path.is_file():
        return path
    if (path / FACTS).exists():
        return path
    run: RunDirectory = find_run(word)
    if not (run.model / FACTS).exists():
        raise ModelFileError(
            f"{run.path}: the run is not complete, it has no model",
            hint=f"See {run.crash_file}."
            if run.crash_file.exists()
            else "It was stopped before its first model.",
        )
    if str(word) == LAST and not run.report_file.exists():
        raise ModelFileError(
            f"{run.path}: the last run was stopped before it was measured",
            hint=f"Its weights so far are a bundle all the same: name it {run.model}",
        )
    return run.model


def read_bundle(path: Path) -> tuple[BundleFacts, dict[str, bytes]]:
    """The facts and every file that they name, each checked against its sha256; the graph is looked through, too.

    Raises `ModelFileError` for whatever is not as docs/bundle.md has it.
    """
    try:
        facts, contents = _read_zip(path) if path.is_file() else _read_folder(path)
    except (OSError, EOFError, zipfile.BadZipFile, ValueError, KeyError, RuntimeError) as error:
        raise ModelFileError(f"{path}: no bundle can be read there ({error})") from error
    check_files(facts, contents, str(path))
    return facts, contents


def check_files(facts: BundleFacts, contents: Mapping[str, bytes], path: str) -> None:
    """Raise `ModelFileError` where the files are not those that the facts name, or not as docs/bundle.md has them."""
    found = digests(contents)
    for name in (WEIGHTS, *facts.files):
        if name not in contents or name not in facts.files:
            raise ModelFileError(f"{path}: it lacks {name}", hint="The copy is not whole; copy it again.")
        if found[name] != facts.files[name]:
            raise ModelFileError(
                f"{path}: {name} is damaged (its sha256 is not the one written down)", hint="Copy it again."
            )
    try:
        refuse_pointers(contents.get(GRAPH, b""), WEIGHTS, len(contents[WEIGHTS]))
        neighbours_from(contents.get(NEIGHBOURS), facts.unlike_above)
    except ValueError as error:
        raise ModelFileError(
            f"{path}: {error}", hint="It was not written by lensmith: do not use it."
        ) from error


def _read_folder(path: Path) -> tuple[BundleFacts, dict[str, bytes]]:
    with (path / FACTS).open("rb") as file:
        facts = facts_from(file.read(MOST_FACTS + 1), str(path))
    files = {name: path / name for name in facts.files if (path / name).is_file()}
    if NEIGHBOURS in files and files[NEIGHBOURS].stat().st_size > MOST_NEIGHBOURS:
        raise ValueError(f"{NEIGHBOURS} has more than {MOST_NEIGHBOURS >> 20} MiB")
    return facts, {name: file.read_bytes() for name, file in files.items()}


def _read_zip(path: Path) -> tuple[BundleFacts, dict[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _refuse_members(members, path.stat().st_size)
        facts = facts_from(archive.read(FACTS), str(path))
        names = {one.filename for one in members}
        strange = sorted(names - {FACTS, *facts.files})
        if strange:
            raise ValueError(f"it holds {strange[0]!r}, which is no part of a bundle")
        return facts, {name: archive.read(name) for name in facts.files if name in names}


def _refuse_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """What a bundle's zip never is; all of it is known before a member is read."""
    seen: set[str] = set()
    for one in members:
        if one.compress_type != zipfile.ZIP_STORED:
            raise ValueError("it is a compressed zip")  # a bundle never is: this bounds what reading takes
        if one.filename in seen:
            raise ValueError(f"it holds {one.filename!r} twice")
        if one.filename not in (FACTS, *FILES):
            raise ValueError(f"it holds {one.filename!r}, which is no part of a bundle")
        if one.file_size != one.compress_size or one.header_offset + one.file_size > size:
            raise ValueError(f"it is cut off: {one.filename} is said to have {one.file_size:,} bytes")
        most = {FACTS: MOST_FACTS, NEIGHBOURS: MOST_NEIGHBOURS}.get(one.filename)
        if most is not None and one.file_size > most:
            raise ValueError(f"{one.filename} has more than {most >> 20} MiB")
        seen.add(one.filename)
