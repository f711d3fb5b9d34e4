"""A Python with the base install's packages and no torch, numpy or Pillow."""

from __future__ import annotations

import sys
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

SOURCE = Path(__file__).parents[1] / "src"
LEFT_OUT = {"numpy", "pillow"}


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds lensmith and its light packages, and no pip."""
    if sys.platform == "win32":
        pytest.skip("links to the installed packages")
    root = tmp_path_factory.mktemp("bare")
    packages = root / "packages"
    packages.mkdir()
    for name in needed_by("lensmith") - {"lensmith"}:
        link(name, packages)
    info = next(Path(str(file.locate())).parent for file in files_of("lensmith") if file.name == "METADATA")
    (packages / info.name).symlink_to(info)
    venv.create(root / "env", with_pip=False, symlinks=True)
    (site,) = (root / "env" / "lib").glob("python*/site-packages")
    (site / "light.pth").write_text(f"{packages}\n{SOURCE}\n")
    return root / "env" / "bin" / "python"


def needed_by(name: str, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """The package and everything that it needs here, the heavy ones left out."""
    known |= {name}
    for line in distribution(name).requires or []:
        need = Requirement(line)
        applies = need.marker is None or need.marker.evaluate({"extra": ""})
        if applies and need.name.lower() not in known | LEFT_OUT:
            known = needed_by(need.name.lower(), known)
    return known


def link(name: str, packages: Path) -> None:
    """Link what the package put at the top of site-packages."""
    for top in {file.parts[0] for file in files_of(name)} - {"..", "__pycache__"}:
        target = Path(str(distribution(name).locate_file(top)))
        if not (packages / top).exists():
            (packages / top).symlink_to(target)


def files_of(name: str) -> list:  # type: ignore[type-arg]
    return distribution(name).files or []
