"""A training in two processes that nothing disturbs: what the others have to come to."""

from __future__ import annotations

from pathlib import Path

import pytest
from several_runs import WORDS, lay_out, weights
from torchrun import torchrun


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(tmp_path_factory.mktemp("several"))


@pytest.fixture(scope="session")
def undisturbed(place: Path) -> str:
    """What the training comes to, `place/run`: the sha256 of its weights."""
    done = torchrun(2, *WORDS, "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    (place / "said.txt").write_text(done.stderr, encoding="utf-8")
    (place / "data.txt").write_text(done.stdout, encoding="utf-8")
    return weights(place)


@pytest.fixture
def here(place: Path, tmp_path: Path) -> Path:
    """The same data and network, for a run of one's own."""
    for name in ("set", "net.py"):
        (tmp_path / name).symlink_to(place / name)
    return tmp_path
