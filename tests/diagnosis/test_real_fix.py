"""`lensmith doctor --fix` with the real pip and the real uv, on a package that the real index has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.network
MISSING = "safetensors"
"""The smallest of what training needs; the others are only claimed by their metadata."""


@pytest.fixture
def broken(bare_python: Path, tmp_path: Path) -> Path:
    """The interpreter of an environment in which lensmith is whole but for one package."""
    root = tmp_path / "an env"
    venv.create(root, with_pip=False, symlinks=True)
    (site,) = (root / "lib").glob("python*/site-packages")
    (light,) = bare_python.parents[1].glob("lib/python*/site-packages/light.pth")
    packages, source = light.read_text().split("\n")[:2]
    for file in Path(packages).iterdir():
        (site / file.name).symlink_to(file)
    (site / "source.pth").write_text(source)
    info = next(site.glob("lensmith-*.dist-info")) / "METADATA"
    lines = [line for line in info.read_text().splitlines() if line.startswith("Requires-Dist: ")]
    for need in (Requirement(line.partition(": ")[2]) for line in lines):
        if need.name.lower() != MISSING and not list(site.glob(f"{need.name.replace('-', '_')}-*.dist-info")):
            claim(site, need.name, "99.0")
    claim(site, "torch", "2.15.0")
    claim(site, "torchvision", "0.29.2")
    return root / "bin" / "python"


def claim(site: Path, name: str, version: str) -> None:
    for old in site.glob(f"{name.replace('-', '_')}-*.dist-info"):
        shutil.rmtree(old)
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / "INSTALLER").write_text("pip\n")
    (folder / "RECORD").write_text("")


def doctor(python: Path, path: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": path}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        [str(python), "-m", "lensmith", "doctor", *words],
        env=environment,
        cwd=python.parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_missing_package_is_brought(tool: str, broken: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    if tool == "uv":
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if uv is None:
            pytest.skip("uv is not installed")
        (tmp_path / "bin" / "uv").symlink_to(uv)
    else:
        subprocess.run([str(broken), "-m", "ensurepip"], check=True, capture_output=True)
    before = doctor(broken, str(tmp_path / "bin"))
    assert before.returncode == 1
    assert f"packages for training are missing or too old: {MISSING}" in before.stdout
    done = doctor(broken, str(tmp_path / "bin"), "--fix", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert ("$ uv pip install" if tool == "uv" else f"$ '{broken}' -m pip install") in done.stderr
    assert json.loads(done.stdout)["ready"] is True
    assert subprocess.run([str(broken), "-c", f"import {MISSING}"]).returncode == 0
