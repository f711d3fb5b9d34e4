"""Bundles on disk as a stranger may have written them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lensmith.bundle.bundle import load_model
from lensmith.bundle.facts import FACTS
from lensmith.errors import ModelFileError


def refused(path: Path, *words: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    assert str(path) in caught.value.message
    assert all(word in str(caught.value) for word in words), caught.value


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(file: Path, contents: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def changed(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    facts = json.loads((folder / FACTS).read_bytes())
    change(facts)
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
