"""A bundle's files on disk: a folder, or the same as one uncompressed zip (`.lens`). Digests are checked."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lensmith.bundle.facts import FACTS, BundleFacts, facts_from
from lensmith.errors import ModelFileError
from lensmith.runs.directory import LAST, RunDirectory, find_run
from lensmith.runs.files import replacing, write_bytes, write_json

SUFFIX = ".lens"


def write_bundle(path: Path, facts: BundleFacts, files: Mapping[str, bytes]) -> BundleFacts:
    """Write a folder or a `.lens` file, whole or not at all; returns the facts with the digests filled in."""
    facts = replace(
        facts, files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    )
    if path.suffix == SUFFIX:
        with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
            archive.writestr(FACTS, json.dumps(facts.as_dict(), indent=2, ensure_ascii=False))
        return facts
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        beside.chmod(0o755)
        for name, content in files.items():
            write_bytes(beside / name, content)
        write_json(beside / FACTS, facts.as_dict())
        _take_place(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return facts


def _take_place(new: Path, path: Path) -> None:
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
        contents = _read_zip(path) if path.is_file() else _read_folder(path)
    except (OSError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise ModelFileError(f"{path}: no bundle can be read there ({error})") from error
    facts = facts_from(json.loads(contents.pop(FACTS)), str(path))
    for name, digest in facts.files.items():
        if name not in contents:
            raise ModelFileError(f"{path}: it lacks {name}", hint="The copy is not whole; copy it again.")
        if hashlib.sha256(contents[name]).hexdigest() != digest:
            raise ModelFileError(
                f"{path}: {name} is damaged (its sha256 is not the one written down)", hint="Copy it again."
            )
    return facts, contents


def _read_folder(path: Path) -> dict[str, bytes]:
    facts = (path / FACTS).read_bytes()
    names = [name for name in json.loads(facts).get("files", {}) if Path(name).name == name]
    return {FACTS: facts, **{name: (path / name).read_bytes() for name in names if (path / name).exists()}}


def _read_zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        if any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist()):
            raise ValueError("it is a compressed zip")  # a bundle never is: this bounds what reading takes
        return {one.filename: archive.read(one) for one in archive.infolist()}
