"""Real environments of packages made on the spot: built, tried, handed over."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from package_index import PackageIndex
from repositories_read import planned, reading

from lensmith.errors import MachineError, UsageError
from lensmith.provisioning import building
from lensmith.provisioning.building import Built, build_environment
from lensmith.provisioning.plan import Plan


def build(plan: Plan, folder: Path, **words: bool) -> tuple[Built, list[str]]:
    """What is built, and what was said on the way."""
    said, steps = [], build_environment(plan, folder, **words)
    while True:
        try:
            said.append(next(steps))
        except StopIteration as end:
            return end.value, said


def found(built: Built) -> list[tuple[str, str]]:
    return [(check.name, check.severity) for check in built.checks]


def tree(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def run(python: Path, program: str) -> str:
    done = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def plan(index: PackageIndex, repository: Path) -> Plan:
    index.add_wheel("thing", "1.0", requires=["part"])
    index.add_wheel("part", "2.0")
    return planned(reading("thing==1.0", root=repository, imports={"thing": ("a.py:1",)}))


def test_an_environment_is_built_tried_and_written_for_a_colleague(plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "built\nhere, in two lines"
    built, _ = build(plan, folder)
    assert built.is_sound
    assert found(built) == [("import", "info"), ("pip check", "info")]
    assert run(built.python, "import thing, part; print(thing.__version__, part.__version__)") == "1.0 2.0"
    facts = json.loads((folder / "environment.json").read_text())
    assert [one["severity"] for one in facts["checks"]] == ["info", "info"]
    assert "-r requirements.lock" in (folder / "environment.yml").read_text()
    assert not list(folder.glob("*.part"))


def test_the_lock_alone_makes_the_same_environment(plan: Plan, tmp_path: Path, index: PackageIndex) -> None:
    build(plan, tmp_path / "first")
    lock = tmp_path / "first/requirements.lock"
    from lensmith.machine.uv import find_uv

    uv = str(find_uv())
    subprocess.run([uv, "venv", "-q", "--python", str(plan.python.path), tmp_path / "again"], check=True)
    python = tmp_path / "again" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    install = [uv, "pip", "install", "-q", "--python", str(python), "--require-hashes", "-r", str(lock)]
    subprocess.run(install, check=True)
    assert run(python, "import thing; print(thing.__version__)") == "1.0"


def test_a_second_call_tries_again_and_installs_nothing(plan: Plan, tmp_path: Path) -> None:
    build(plan, tmp_path / "built")
    built, said = build(plan, tmp_path / "built")
    assert built.is_sound
    assert not any("installing" in words for words in said)


def test_an_interrupted_build_leaves_nothing_named_and_goes_on(plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "built"
    steps = build_environment(plan, folder)
    while "installing" not in next(steps):
        pass
    steps.close()
    assert not (folder / "env").exists()
    assert not (folder / "environment.json").exists()
    built, said = build(plan, folder)
    assert said[0] == "going on with what was begun"
    assert built.is_sound


def test_a_changed_plan_does_not_go_on_with_another(plan: Plan, tmp_path: Path, index: PackageIndex) -> None:
    steps = build_environment(plan, tmp_path / "built")
    while "installing" not in next(steps):
        pass
    steps.close()
    other = replace(plan, requirements=plan.requirements[:1])
    _, said = build(replace(other, distributions=()), tmp_path / "built")
    assert "going on with what was begun" not in said


def test_another_environment_in_the_folder_is_left_alone(plan: Plan, tmp_path: Path) -> None:
    build(plan, tmp_path / "built")
    before = (tmp_path / "built/environment.json").read_text()
    with pytest.raises(UsageError, match="another environment"):
        build(replace(plan, requirements=plan.requirements[:1]), tmp_path / "built")
    assert (tmp_path / "built/environment.json").read_text() == before


def test_a_package_that_is_not_what_was_locked_is_refused(plan: Plan, tmp_path: Path) -> None:
    forged = tuple(line.split(" --hash")[0] + f" --hash=sha256:{'0' * 64}" for line in plan.requirements)
    with pytest.raises(MachineError, match="cannot be installed"):
        build(replace(plan, requirements=forged), tmp_path / "built")
    assert not (tmp_path / "built/env").exists()


def test_an_import_that_fails_is_named_with_its_last_words(
    index: PackageIndex, repository: Path, tmp_path: Path
) -> None:
    broken = {"broken/__init__.py": "import part_that_is_not_there\n"}
    index.add_wheel("broken", "1.0", files=broken)
    wanted = reading("broken", root=repository, imports={"broken": ("a.py:1",), "absent": ("a.py:2",)})
    built, _ = build(planned(wanted), tmp_path / "built")
    assert not built.is_sound
    details = [check.detail for check in built.checks if check.severity == "error"]
    assert details[0].startswith("absent is imported and not installed")
    assert "No module named 'part_that_is_not_there'" in details[1]
    assert (tmp_path / "built/env").is_dir()


def test_an_import_that_kills_the_process_is_named(
    index: PackageIndex, repository: Path, tmp_path: Path
) -> None:
    index.add_wheel("killed", "1.0", files={"killed.py": "import os\nos.kill(os.getpid(), 11)\n"})
    wanted = reading("killed", root=repository, imports={"killed": ("a.py:1",)})
    built, _ = build(planned(wanted), tmp_path / "built")
    (wrong,) = [check for check in built.checks if check.severity == "error"]
    assert "signal 11" in wrong.detail


def test_a_torch_that_does_not_see_the_machines_gpu_is_named(
    index: PackageIndex, repository: Path, tmp_path: Path
) -> None:
    stub = """
class version: cuda = None
class cuda:
    is_available = staticmethod(lambda: False)
class ones:
    def __init__(self, *shape, device=None): pass
    def __matmul__(self, other): return self
    def sum(self): return 64.0
__version__ = "1.7.1"
"""
    index.add_wheel("torch", "1.7.1", files={"torch/__init__.py": stub})
    seen = planned(reading("torch==1.7.1", root=repository))
    built, _ = build(replace(seen, device="NVIDIA A100"), tmp_path / "gpu")
    assert [check.detail for check in built.checks if check.severity == "error"] == [
        "torch 1.7.1 does not see NVIDIA A100"
    ]
    assert build(seen, tmp_path / "cpu")[0].is_sound


def test_packages_that_clash_are_named(index: PackageIndex, repository: Path, tmp_path: Path) -> None:
    index.add_wheel("thing", "1.0", requires=["part"])
    index.add_wheel("part", "2.0")
    plan = planned(reading("thing", root=repository))
    alone = tuple(line for line in plan.requirements if line.startswith("thing"))
    built, _ = build(replace(plan, requirements=alone), tmp_path / "built")
    assert found(built) == [("pip check", "warning")]
    assert "part" in built.checks[0].detail


def test_build_steps_run_only_once_agreed(index: PackageIndex, repository: Path, tmp_path: Path) -> None:
    index.add_source("raw", "1.0")
    index.add_wheel("setuptools", "80.0.0", files=_setuptools())
    plan = planned(reading("raw==1.0", root=repository, imports={"raw": ("a.py:1",)}))
    with pytest.raises(UsageError, match=r"raw==1\.0 runs its build step") as refused:
        build(plan, tmp_path / "built")
    assert "--yes" in refused.value.hint
    assert not (tmp_path / "built").exists()


def _setuptools() -> dict[str, str]:
    return {"setuptools/__init__.py": "", "setuptools/build_meta.py": _BACKEND}


_BACKEND = """
import pathlib, zipfile
def get_requires_for_build_wheel(config_settings=None): return []
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    told = pathlib.Path(folder, "raw-1.0.dist-info"); told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\\nName: raw\\nVersion: 1.0\\n")
    (told / "WHEEL").write_text("Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    return told.name
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "raw-1.0-py3-none-any.whl"
    pathlib.Path("built_here").write_text("a build step leaves files")
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("raw.py", "built = True\\n")
        wheel.writestr("raw-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: raw\\nVersion: 1.0\\n")
        wheel.writestr("raw-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("raw-1.0.dist-info/RECORD", "raw.py,,\\nraw-1.0.dist-info/RECORD,,\\n")
    return name
"""


@pytest.fixture
def own(index: PackageIndex, repository: Path) -> Iterator[Plan]:
    """A repository that is a package with a backend of its own."""
    backend = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (repository / "pyproject.toml").write_text(f'{backend}[project]\nname = "raw"\nversion = "1.0"\n')
    (repository / "backend.py").write_text(_BACKEND)
    (repository / ".git").mkdir()
    (repository / ".git/config").write_text("secret")
    yield planned(
        reading(root=repository, commands=(("pip install -e .", "README.md:1"),), imports={"raw": ()})
    )


def test_the_repositorys_own_package_is_built_from_a_copy(
    own: Plan, repository: Path, tmp_path: Path
) -> None:
    before = tree(repository)
    built, said = build(own, tmp_path / "built", agreed=True)
    assert built.is_sound, built.checks
    assert "building the repository itself: its own code runs" in said
    assert run(built.python, "import raw; print(raw.built)") == "True"
    assert tree(repository) == before
    assert not (tmp_path / "built/source.part").exists()


def test_a_build_step_that_fails_is_named_and_the_rest_is_kept(
    own: Plan, repository: Path, tmp_path: Path
) -> None:
    (repository / "backend.py").write_text("raise RuntimeError('nvcc was not found')\n")
    built, _ = build(own, tmp_path / "built", agreed=True)
    assert found(built)[0] == ("build step", "error")
    assert "nvcc was not found" in built.checks[0].detail
    assert built.python.is_file()


def test_a_full_disk_is_seen_first(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(building.shutil, "disk_usage", lambda place: usage._replace(free=10 * 2**20))
    with pytest.raises(MachineError, match="are free at"):
        build(plan, tmp_path / "built")
    assert not (tmp_path / "built/env.part").exists()


def test_a_plan_without_versions_is_not_built(
    index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(MachineError, match="did not answer"):
        build(planned(reading("thing")), tmp_path / "built")


def test_without_uv_the_build_says_how_to_get_it(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MachineError) as missing:
        build(plan, tmp_path / "built")
    assert "pip install uv" in missing.value.hint
