"""What planning and building share: an index of their own, and nothing of the user's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from package_index import PackageIndex, served_index
from sleepers import marked  # noqa: F401  (a fixture)


@pytest.fixture
def index(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PackageIndex]:
    """A package index on this machine, the only one that uv asks; its cache is empty."""
    with served_index() as served:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{served.url}/simple")
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.mktemp("uv-cache")))
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        for name in (
            "UV_INDEX_URL",
            "UV_INDEX",
            "UV_EXTRA_INDEX_URL",
            "UV_FIND_LINKS",
            "UV_NO_INDEX",
            "UV_OFFLINE",
        ):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield served


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder for a made-up repository, with a name that has to be quoted."""
    place = tmp_path / "a répo, with spaces"
    place.mkdir()
    return place
