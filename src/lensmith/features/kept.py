"""Embeddings that lie in the cache folder, each under the sha256 of its picture.

They lie beside the columns, in folders that are written once and never changed, so that other processes may read and
write at the same time; the limit of the cache is theirs too. Whichever data set a picture comes back in, another
split, cleaned or grown, it need not be looked at again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lensmith.data.cache import columns_folder, make_room
from lensmith.data.identity import SIZE
from lensmith.errors import UsageError
from lensmith.features.embed import Features
from lensmith.runs.files import write_bytes, write_text


@dataclass(frozen=True)
class Kept:
    """The embeddings [*, width] of one network and preprocessing, whose name in hex digits is `key`."""

    key: str
    width: int

    def read(self, ids: Sequence[str]) -> tuple[Features, NDArray[np.bool_]]:
        """Of pictures with these sha256: embeddings, float32 [N, width], and which of them are there, bool [N]."""
        found, there = np.zeros((len(ids), self.width), np.float32), np.zeros(len(ids), bool)
        wanted: dict[str, list[int]] = defaultdict(list)
        for row, word in enumerate(ids):
            wanted[word].append(row)
        for folder in self._folders():
            try:
                words, features = self._open(folder)
            except (OSError, ValueError, KeyError, TypeError):
                shutil.rmtree(folder, ignore_errors=True)  # damaged, or cleared meanwhile
                continue
            pairs = [(row, at) for at, word in enumerate(words) for row in wanted.pop(word, ())]
            if pairs:
                rows, places = np.array(pairs).T
                found[rows], there[rows] = features[places], True
                with contextlib.suppress(OSError):  # a cache that may only be read
                    os.utime(folder / "index.json")
        return found, there

    def holds(self, ids: Sequence[str]) -> list[bool]:
        """Which of them are there."""
        known: set[str] = set()
        for folder in self._folders():
            with contextlib.suppress(OSError):
                known.update(_words(folder))
        return [word in known for word in ids]

    def write(self, ids: Sequence[str], features: Features) -> None:
        """Keep embeddings [N, width] for another time, as float16, if there is room for them."""
        whole = "".join(ids)
        with contextlib.suppress(OSError, UsageError):
            folder = columns_folder() / f"{self.key}-{hashlib.sha256(whole.encode()).hexdigest()[:15]}"
            folder.parent.mkdir(parents=True, exist_ok=True)
            place = Path(tempfile.mkdtemp(prefix=f".{folder.name[:8]}-", dir=folder.parent))
            try:
                write_bytes(place / "sha256.bin", bytes.fromhex(whole))
                write_bytes(place / "features.bin", features.astype(np.float16).tobytes())
                write_text(place / "index.json", json.dumps({"features": [len(ids), self.width]}))
                place.rename(folder)
            finally:
                shutil.rmtree(place, ignore_errors=True)
            make_room()

    def _folders(self) -> list[Path]:
        with contextlib.suppress(UsageError):
            return sorted(columns_folder().glob(f"{self.key}-*"))
        return []

    def _open(self, folder: Path) -> tuple[list[str], NDArray[np.float16]]:
        count, width = json.loads((folder / "index.json").read_text(encoding="utf-8"))["features"]
        ids, features = _words(folder), np.fromfile(folder / "features.bin", np.float16)
        if width != self.width or len(ids) != count or len(features) != count * width:
            raise ValueError
        return ids, features.reshape(count, width)


def _words(folder: Path) -> list[str]:
    """The sha256 of the pictures in a folder of the cache."""
    words = (folder / "sha256.bin").read_bytes().hex()
    return [words[at : at + 2 * SIZE] for at in range(0, len(words), 2 * SIZE)]
