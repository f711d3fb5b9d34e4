"""A bundle's files on disk: a folder, or the same as one uncompressed zip (`.lens`). Digests are checked."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from lensmith.bundle.facts import FACTS, GRAPH, WEIGHTS, BundleFacts, digests, facts_from
from lensmith.errors import ModelFileError, UsageError
from lensmith.runs.directory import LAST, RunDirectory, find_run
from lensmith.runs.files import replacing, write_bytes, write_json

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


def write_zip(path: Path, facts: BundleFacts, files: Mapping[str, bytes]) -> None:
    """One uncompressed zip, whole or not at all, whatever its name."""
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(FACTS, json.dumps(facts.as_dict(), indent=2, ensure_ascii=False))


def _write_folder(path: Path, facts: BundleFacts, files: Mapping[str, bytes]) -> None:
    others = {file.name for file in path.iterdir()} - {FACTS, GRAPH, WEIGHTS} if path.exists() else set()
    if others:
        raise UsageError(
            f"{path} holds {min(others)}, which is no part of a bundle",
            hint=f"Name a new or empty folder, an older bundle, or a file that ends in {SUFFIX}.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        beside.chmod(0o755)
        for name, content in files.items():
            write_bytes(beside / name, content)
        write_json(beside / FACTS, facts.as_dict())
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
    write_json(folder / FACTS, facts.as_dict())


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
    """The facts and every file that they name, each checked against its sha256."""
    try:
        facts, contents = _read_zip(path) if path.is_file() else _read_folder(path)
    except (OSError, EOFError, zipfile.BadZipFile, ValueError, KeyError, RuntimeError) as error:
        raise ModelFileError(f"{path}: no bundle can be read there ({error})") from error
    found = digests(contents)
    for name in (WEIGHTS, *facts.files):
        if name not in contents:
            raise ModelFileError(f"{path}: it lacks {name}", hint="The copy is not whole; copy it again.")
        if found[name] != facts.files[name]:
            raise ModelFileError(
                f"{path}: {name} is damaged (its sha256 is not the one written down)", hint="Copy it again."
            )
    return facts, contents


def _read_folder(path: Path) -> tuple[BundleFacts, dict[str, bytes]]:
    facts = facts_from(json.loads((path / FACTS).read_bytes()), str(path))
    return facts, {name: (path / name).read_bytes() for name in facts.files if (path / name).exists()}


def _read_zip(path: Path) -> tuple[BundleFacts, dict[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if any(one.compress_type != zipfile.ZIP_STORED for one in members):
            raise ValueError("it is a compressed zip")  # a bundle never is: this bounds what reading takes
        facts = facts_from(json.loads(archive.read(FACTS)), str(path))
        names = {one.filename for one in members}
        strange = sorted(names - {FACTS, *facts.files})
        if strange:
            raise ValueError(f"it holds {strange[0]}, which is no part of a bundle")
        return facts, {name: archive.read(name) for name in facts.files if name in names}
