"""What all tests share: a cache of their own, and a trained run for those that need one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bare import bare_python  # noqa: F401  (a fixture)


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or fills the cache of whoever runs it; words come without colour."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LENSMITH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("NO_COLOR", "1")
        patch.delenv("LENSMITH_DEBUG", raising=False)
        yield


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this one test's columns go; it does not exist yet."""
    place = tmp_path / "cache"
    monkeypatch.setenv("LENSMITH_CACHE", str(place))
    return place


@pytest.fixture(scope="module", autouse=True)
def _one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Small networks compute on one thread: several wait for each other longer than they work."""
    if request.path.parent.name not in ("fitting", "planning", "training"):
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_reaches_children() -> None:
    """Whoever starts the tests in the background has SIGINT ignored, and every child would inherit that."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def trained_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample `digits/` and a short run on it, `runs/digits-001`, which is also `last`.

    Shared by all tests, so read it only; `trained_digits_copy` may be written into.
    """
    place = tmp_path_factory.mktemp("trained")
    lensmith("sample", "digits", "digits", cwd=place)
    lensmith("train", "digits", "--epochs", "2", cwd=place)
    return place


@pytest.fixture
def trained_digits_copy(trained_digits: Path, tmp_path: Path) -> Path:
    """A copy of `trained_digits` for one test; its `last` is the copied run."""
    place = tmp_path / "trained"
    shutil.copytree(trained_digits, place)
    (place / "runs/last").write_text(f"{place / 'runs/digits-001'}\n", encoding="utf-8")
    return place


@pytest.fixture(scope="session")
def index() -> None:
    """Skips where pip reaches no package index."""
    asked = [sys.executable, "-m", "pip", "--no-cache-dir", "--retries", "0", "--timeout", "15"]
    done = subprocess.run(
        [*asked, "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet", "iniconfig"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("no package index can be reached")


def lensmith(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run one command line in `cwd`; it has to succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "lensmith", *words],
        cwd=cwd,
        env=os.environ | {"PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"lensmith {' '.join(words)} -> {done.returncode}\n{done.stderr}"
    return done


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked gpu are skipped where there is none."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
