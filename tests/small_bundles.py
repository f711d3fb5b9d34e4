"""Bundles that many tests look at; tracing a network takes a second, so there are few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_nets import scene, smooth_net, tied_net

from lensmith.bundle.bundle import Bundle
from lensmith.features.neighbours import find_neighbours
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


def marking(bundle: Bundle) -> Bundle:
    """The same with neighbours: it knows scenes, and a picture of one colour is unlike them."""
    known = np.stack([scene(*bundle.preprocess.size, 100 + seed) for seed in range(120)])
    features = bundle.features(known)
    neighbours = None if features is None else find_neighbours(features)
    assert neighbours is not None
    return bundle.with_neighbours(neighbours)


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    return bundle.save(tmp_path / "model")


@pytest.fixture
def file(bundle: Bundle, tmp_path: Path) -> Path:
    return bundle.save(tmp_path / "net.lens")
