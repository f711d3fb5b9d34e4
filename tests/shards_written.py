"""Shards that tests write: ours, and tar files of other makers."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lensmith.data.dataset import ImageDataset
from lensmith.data.dealing import Limits, Written, write_shards
from lensmith.data.sources import load_data


def ended(going: Any) -> Any:
    """What a generator of progress returns."""
    try:
        while True:
            next(going)
    except StopIteration as end:
        return end.value


def deal(
    source: Path, folder: Path, *, count: int = 5, seed: int = 0, data: ImageDataset | None = None
) -> Written:
    written: Written = ended(
        write_shards(data or load_data(source), folder, source, Limits(count=count), seed)
    )
    return written


def write_tar(file: Path, members: Iterable[tuple[str | tarfile.TarInfo, bytes]], mode: str = "w") -> Path:
    """A tar of these members, in their order."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            header = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(name, str):
                header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return file
