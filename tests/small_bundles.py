"""Bundles that many tests look at; tracing a network takes a second, so there are few."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_nets import smooth_net, tied_net

from lensmith.bundle.bundle import Bundle
from lensmith.pictures.preprocess import Preprocess

CLASSES = ["ant", "größe", '犬 "x"']
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """Three classes on pictures of 16 x 16, from a network with statistics, a buffer and shared weights."""
    return Bundle(tied_net(), preprocess=Preprocess(16, **IMAGENET), classes=CLASSES)


@pytest.fixture(scope="session")
def smooth() -> Bundle:
    """Four classes on pictures of 24 x 32."""
    return Bundle(smooth_net(), preprocess=Preprocess((24, 32)), classes=["a", "b", "c", "d"])


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    return bundle.save(tmp_path / "model")


@pytest.fixture
def file(bundle: Bundle, tmp_path: Path) -> Path:
    return bundle.save(tmp_path / "net.lens")
