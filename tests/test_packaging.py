"""What is shipped: wheel, source archive, and the requirements that are written down in three places."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
BASE_BYTES = 60 * 2**20


def project(root: Path = ROOT) -> dict[str, Any]:
    facts: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return facts


def requirements(extras: tuple[str, ...], root: Path = ROOT) -> set[str]:
    """The base requirements and those of the extras, as pyproject.toml writes them."""
    facts = project(root)
    lines = {*facts["dependencies"]}.union(*(facts["optional-dependencies"][extra] for extra in extras))
    return {line for line in lines if canonicalize_name(Requirement(line).name) != facts["name"]}


def unpinned(lines: list[str], wanted: set[str]) -> list[str]:
    """Requirements that no `name==version` line satisfies."""
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    found = []
    for requirement in sorted(map(Requirement, wanted), key=str):
        pin = pins.get(canonicalize_name(requirement.name))
        if pin is None or not requirement.specifier.contains(Version(pin), prereleases=True):
            found.append(f"{requirement}: pinned to {pin}")
    return found


def test_constraints_satisfy_every_requirement() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    every = requirements(
        tuple(set(project()["optional-dependencies"]) - {"ray"})
    )  # too large for all to install
    assert unpinned(lines, every) == [], "renew with: make lock"


def test_a_constraint_that_does_not_fit_is_seen() -> None:
    lines = ["# a comment", "numpy==1.26.4", "types-pyyaml==6.0.12.2"]
    wanted = {"numpy>=2.0", "types-PyYAML", "rich>=13"}
    assert unpinned(lines, wanted) == ["numpy>=2.0: pinned to 1.26.4", "rich>=13: pinned to None"]


def test_constraints_can_be_installed_on_any_platform() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert re.findall(r"^(?:nvidia-|cuda-|triton|-e|.*@).*", text, re.MULTILINE) == []


def test_conda_environment_is_in_step() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *named, pip = environment["dependencies"]
    assert set(pip["pip"]) - {"--editable ."} == requirements(("train", "serve"))
    oldest = project()["requires-python"].removeprefix(">=")
    assert named == [f"python={oldest}", "pip"]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive and the wheel that was built from it."""
    place = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", place, ROOT)
    return place


def run(*words: str | Path, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(word) for word in words],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


def files_of_source() -> set[str]:
    found = (path for path in (ROOT / "src").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT / "src").as_posix() for path in found}


def test_wheel_holds_the_package_and_nothing_else(archives: Path) -> None:
    (wheel,) = archives.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    metadata = {name for name in names if ".dist-info/" in name}
    assert names - metadata == files_of_source(), "is a file of src/ ignored by git?"
    assert "lensmith/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in metadata)


def test_source_archive_can_be_tested(archives: Path) -> None:
    (archive,) = archives.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {f"src/{name}" for name in files_of_source()} <= names
    assert {"LICENSE", "README.md", "pyproject.toml", "tests/conftest.py"} <= names
    assert not [name for name in names if name.startswith((".venv", "runs/", "demo/"))]


@pytest.fixture(scope="module")
def base(archives: Path, index: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an empty environment with the wheel and its base requirements."""
    place = tmp_path_factory.mktemp("base") / "venv"
    run(sys.executable, "-m", "venv", place)
    programs = place / ("Scripts" if sys.platform == "win32" else "bin")
    (wheel,) = archives.glob("*.whl")
    run(
        programs / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--constraint",
        ROOT / "constraints.txt",
        wheel,
    )
    return programs


@pytest.mark.slow
@pytest.mark.network
def test_base_install_helps_without_torch(base: Path) -> None:
    run(base / "python", "-c", "import torch", code=1)
    assert "train" in run(base / "lensmith", "--help").stdout
    doctor = run(base / "lensmith", "doctor", code=1)
    words = doctor.stdout + doctor.stderr
    assert "torch" in words
    assert "lensmith doctor --fix" in words or "lensmith[train]" in words
    train = run(base / "lensmith", "train", "x", code=4)
    assert "torch" in train.stderr
    assert "Traceback" not in train.stderr


@pytest.mark.slow
@pytest.mark.network
def test_base_install_is_small(archives: Path, index: None, tmp_path: Path) -> None:
    (wheel,) = archives.glob("*.whl")
    words = ["--quiet", "--constraint", ROOT / "constraints.txt", "--dest", tmp_path]
    run(sys.executable, "-m", "pip", "download", *words, wheel)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sum(sizes.values()) < BASE_BYTES, sizes
