"""What a run used, as files; where a network is at hand, loaded again into a fresh environment."""

from __future__ import annotations

import platform
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from runs_by_hand import facts_of

from lensmith.environments.installed import FROM_A_FILE, Package
from lensmith.environments.locks import export_environment
from lensmith.environments.used import Used, read_used
from lensmith.errors import MachineError, ModelFileError
from lensmith.machine.uv import find_uv
from lensmith.runs.directory import RunDirectory

UV = find_uv()
needs_uv = pytest.mark.skipif(UV is None, reason="uv is not installed")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SMALL = (
    Package("click", "8.1.7"),
    Package("colorama", "0.4.6", 'sys_platform == "win32"'),
    Package("six", "1.16.0"),
)


def a_run(
    folder: Path, versions: Any, python: str = platform.python_version(), packages: Any = None
) -> RunDirectory:
    facts = facts_of(["a", "b"]) | {"versions": versions, "machine": {"python": python}}
    facts |= {} if packages is None else {"packages": packages}
    run = RunDirectory(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run.write_facts(facts)
    return run


def test_where_the_environment_is_still_this_one_all_is_told(tmp_path: Path) -> None:
    used = read_used(a_run(tmp_path / "photos 1\n", {"numpy": version("numpy"), "typer": version("typer")}))
    assert used.is_whole
    assert (used.name, used.day, used.python) == ("photos-1", "2026-01-02", platform.python_version())
    lines = [one.line for one in used.loadable]
    assert f"numpy=={version('numpy')}" in lines
    assert f"click=={version('click')}" in lines  # of typer, which the run does not name


def test_where_it_is_another_only_what_the_run_names_is(tmp_path: Path) -> None:
    used = read_used(a_run(tmp_path / "run", {"numpy": "1.26.4", "torch": "2.10.0+cu126"}, python="3.12.1"))
    assert not used.is_whole
    assert "Python 3.12.1 there" in used.notes[0]
    assert "numpy 1.26.4 there" in used.notes[0]
    text = export_environment(used, "requirements", hashed=False).text
    assert text.splitlines()[-3:] == [
        "--extra-index-url https://download.pytorch.org/whl/cu126",
        "numpy==1.26.4",
        "torch==2.10.0+cu126",
    ]


def test_what_the_run_wrote_down_is_told_whole_wherever_it_is_read(tmp_path: Path) -> None:
    written = {
        "numpy": "1.26.4",
        "mine": "1.0, it was installed from a folder of this machine",
        "theirs": f"2.0, {FROM_A_FILE}",
        "zipp": "3.1.0",
    }
    used = read_used(a_run(tmp_path / "run", {"numpy": "1.26.4"}, "3.12.1", written))
    assert used.is_whole
    assert [one.line for one in used.loadable] == ["numpy==1.26.4", "theirs==2.0", "zipp==3.1.0"]
    assert used.notes[1:] == (
        "mine 1.0 is left out: it was installed from a folder of this machine.",
        f"theirs 2.0: {FROM_A_FILE}.",
    )


def test_what_came_into_the_environment_after_the_run_is_left_out(tmp_path: Path) -> None:
    versions = {"numpy": version("numpy")}
    used = read_used(a_run(tmp_path / "run", versions, packages=versions | {"pillow": version("pillow")}))
    assert [one.name for one in used.packages] == ["numpy", "pillow"]
    changed = a_run(tmp_path / "other", versions, packages=versions | {"pillow": "1.0"})
    assert "pillow==1.0" in [one.line for one in read_used(changed).loadable]


@pytest.mark.parametrize("packages", [[], "torch", {}, {str(n): "1" for n in range(2001)}])
def test_packages_of_a_run_that_are_none(packages: Any, tmp_path: Path) -> None:
    assert not read_used(a_run(tmp_path / "run", {"numpy": "1.26.4"}, packages=packages)).is_whole


@pytest.mark.parametrize("versions", [None, {}, "torch", ["torch"]])
def test_a_run_that_names_no_versions(versions: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="names no versions"):
        read_used(a_run(tmp_path / "run", versions))


@pytest.mark.parametrize("part", ["versions", "packages"])
def test_what_somebody_wrote_into_a_run_adds_no_line(part: str, tmp_path: Path) -> None:
    written = {
        "numpy": "1.0\n--index-url http://evil",
        "six\n--index-url http://evil": "1.0",
        "-e .": "1.0",
        "": "1.0",
        "torch": "2.0 @ file:///x",
        "\x1b[2J": "\x1b[2J",
        "typer": "0.1",
    }
    versions, packages = (written, None) if part == "versions" else ({"typer": "0.1"}, written)
    used = read_used(a_run(tmp_path / "run", versions, packages=packages))
    text = export_environment(used, "requirements", hashed=False).text
    assert [line for line in text.splitlines() if not line.startswith("#")] == ["typer==0.1"]
    assert "\x1b" not in text
    assert yaml.safe_load(export_environment(used, "conda").text)["dependencies"][2] == {
        "pip": ["typer==0.1"]
    }
    with pytest.raises(ModelFileError, match="is no version of Python"):
        read_used(a_run(tmp_path / "run", versions, python="3.11 --x"))


def test_environment_yml_loads_elsewhere() -> None:
    packages = (*SMALL, Package("mine", "1", obstacle="it was installed from a folder of this machine"))
    used = Used("photos", "3.11.7", "", packages, True, ("mine 1 is left out: a folder.",))
    text = export_environment(used, "conda").text
    content = yaml.safe_load(text)
    assert content == {
        "name": "photos",
        "channels": ["conda-forge"],
        "dependencies": [
            "python=3.11.7",
            "pip",
            {"pip": ["click==8.1.7", 'colorama==0.4.6 ; sys_platform == "win32"', "six==1.16.0"]},
        ],
    }
    assert text.startswith("# mine 1 is left out: a folder.\n")


def test_a_reference_is_written_and_costs_the_hashes() -> None:
    packages = (Package("mine", "1", reference="mine @ git+https://git.org/mine@abc"), *SMALL)
    exported = export_environment(Used("photos", PYTHON, "", packages, True), "requirements")
    assert "mine @ git+https://git.org/mine@abc" in exported.text.splitlines()
    assert exported.notes == ("Without hashes: pip takes none beside mine, which is no release of an index.",)


def test_without_uv_requirements_have_no_hashes_and_a_lock_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "")
    used = Used("photos", PYTHON, "", SMALL, True)
    exported = export_environment(used, "requirements")
    assert exported.notes == ("Without hashes: uv is not installed.",)
    assert "click==8.1.7" in exported.text.splitlines()
    with pytest.raises(MachineError, match="uv is not installed"):
        export_environment(used, "lock")


@needs_uv
def test_an_index_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("UV_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    exported = export_environment(Used("photos", PYTHON, "", SMALL, True), "requirements")
    assert exported.notes[0].startswith("Without hashes: uv could not resolve it")
    assert "six==1.16.0" in exported.text.splitlines()


def install(tmp_path: Path, file: Path, *words: str) -> dict[str, str]:
    """Load a file into a new environment; returns what is then in it."""
    assert UV is not None
    place = tmp_path / "loaded"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, place], check=True)
    python = str(place / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, *words, "-r", file], check=True)
    done = subprocess.run(
        [UV, "pip", "freeze", "--python", python], check=True, capture_output=True, text=True
    )
    return dict(line.split("==") for line in done.stdout.splitlines())


@pytest.mark.network
@needs_uv
def test_requirements_with_hashes_load(tmp_path: Path) -> None:
    exported = export_environment(Used("photos", PYTHON, "", SMALL, True), "requirements")
    assert exported.notes == ()
    file = tmp_path / "requirements.txt"
    file.write_text(exported.text)
    assert exported.text.count("--hash=sha256:") >= 4
    assert install(tmp_path, file, "--require-hashes") == {"click": "8.1.7", "six": "1.16.0"}


@pytest.mark.network
@needs_uv
def test_a_lock_loads(tmp_path: Path) -> None:
    file = tmp_path / "pylock.toml"
    file.write_text(export_environment(Used("photos", PYTHON, "", SMALL, True), "lock").text)
    assert [one["name"] for one in tomllib.loads(file.read_text())["packages"]] == [
        "click",
        "colorama",
        "six",
    ]
    assert install(tmp_path, file) == {"click": "8.1.7", "six": "1.16.0"}


@pytest.mark.network
@needs_uv
def test_what_a_run_does_not_name_is_taken_as_of_its_day() -> None:
    used = Used("photos", PYTHON, "2023-06-01", (Package("jinja2", "3.1.2"),), False)
    text = export_environment(used, "requirements").text
    assert "markupsafe==2.1.2 " in text  # the newest on that day
