"""Pictures and folders of them, drawn by the tests."""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lensmith.data.dataset import ImageDataset


def noise(height: int = 24, width: int = 32, seed: int = 0, channels: int = 3) -> NDArray[np.uint8]:
    """Random pixels: no two places are alike, so that nothing can be turned or shifted unseen."""
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int = 24, width: int = 32) -> NDArray[np.uint8]:
    """A ramp in each channel, which lossy formats keep nearly as it is, different in each corner."""
    down = np.linspace(20, 235, height)[:, None] * np.ones(width)
    across = np.ones(height)[:, None] * np.linspace(20, 235, width)
    return np.stack([down, across, (down + across) / 2], 2).astype(np.uint8)


def encoded(image: Image.Image | NDArray[Any], kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of a file of that kind."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def draw(path: Path, seed: int = 0, size: tuple[int, int] = (24, 32)) -> Path:
    """A small picture of its own; the suffix decides the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(*size, seed)).save(path)
    return path


def draw_classes(root: Path, first: int = 0, **counts: int) -> Path:
    """A folder per class, as `cats=3`, every picture different; returns root."""
    seed = first
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            seed += 1
            draw(root / name / f"{number}.png", zlib.crc32(str(root).encode()) + seed)
    return root


def tree_hash(root: Path) -> str:
    """Of every name, every byte and every time of change below a folder."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            digest.update(f"{path} {path.lstat().st_mtime_ns}".encode() + path.read_bytes())
    return digest.hexdigest()


def accounted(data: ImageDataset, root: Path) -> bool:
    """used + skipped = files found, by a walk of our own; nothing twice."""
    found = sorted(str(Path(top, name)) for top, _, names in os.walk(root) for name in names)
    told = sorted([str(e.source) for e in data.examples] + [s.file for s in data.skipped])
    assert told == found
    assert all(skipped.reason for skipped in data.skipped)
    return True


def reasons(data: ImageDataset, root: Path) -> dict[str, str]:
    return {str(Path(s.file).relative_to(root)): s.reason for s in data.skipped}
