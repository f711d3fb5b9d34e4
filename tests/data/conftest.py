"""A cache of its own for every test of the data room."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's columns go; it does not exist yet."""
    place = tmp_path / "cache"
    monkeypatch.setenv("LENSMITH_CACHE", str(place))
    return place
