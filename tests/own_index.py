"""What planning and building share: an index of their own, and nothing of the user's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from package_index import PackageIndex, served_index
from sleepers import marked  # noqa: F401  (a fixture)

_OTHERS = ("UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_OFFLINE")


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """uv's cache for all tests: what it learned of the Pythons here does not have to be learned again."""
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture
def index(uv_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    """A package index on this machine, the only one that uv asks; it is empty."""
    with served_index() as served:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{served.url}/simple")
        monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-config"))
        for name in _OTHERS:
            monkeypatch.delenv(name, raising=False)
        yield served


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder for a made-up repository, with a name that has to be quoted."""
    place = tmp_path / "a répo, with spaces"
    place.mkdir()
    return place
