"""Repositories and packages that want their code run, or their settings heeded, while nothing but a plan is made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from package_index import PackageIndex, served_index
from repositories_read import fault, planned, reading

CANARY = "open({place!r}, 'w').write('ran')\n"


@pytest.fixture
def sang(tmp_path: Path) -> Path:
    """The file that code of the repository writes where it is run."""
    return tmp_path / "the-canary-sang"


def trap(repository: Path, sang: Path) -> None:
    """Every file of a repository that some tool runs or heeds without being asked."""
    code = CANARY.format(place=str(sang))
    for name in (
        "setup.py",
        "conftest.py",
        "sitecustomize.py",
        "usercustomize.py",
        "backend.py",
        "uv.py",
        "packaging.py",
    ):
        (repository / name).write_text(code)
    (repository / "evil.pth").write_text(f"import os; {code}")
    backend = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    hostile = '[tool.uv]\nindex-url = "http://127.0.0.1:9/simple"\nno-build = false\n'
    (repository / "pyproject.toml").write_text(
        f'{backend}[project]\nname = "trap"\ndynamic = ["version"]\n{hostile}'
    )
    (repository / "uv.toml").write_text('index-url = "http://127.0.0.1:9/simple"\nno-build = false\n')
    (repository / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/simple\n")
    (repository / ".env").write_text("UV_DEFAULT_INDEX=http://127.0.0.1:9/simple\n")
    (repository / ".python-version").write_text("3.8\n")
    (repository / "requirements.txt").write_text("trap @ file:.\n")
    for name in (".venv/bin", "venv/bin", "bin"):
        (repository / name).mkdir(parents=True)
        for program in ("python", "python3", "uv", "git"):
            file = repository / name / program
            file.write_text(f"#!/bin/sh\necho ran > '{sang}'\n")
            file.chmod(0o755)
    (repository / ".venv/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11\n")


@pytest.mark.fault(36)
def test_a_plan_runs_and_heeds_nothing_of_the_repository(
    index: PackageIndex, repository: Path, sang: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap(repository, sang)
    index.add_wheel("thing", "1.0")
    monkeypatch.chdir(repository)
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}
    wanted = ("thing", ".", "-e .", "-r requirements.txt", "trap @ file:.", f"trap @ {repository.as_uri()}")
    plan = planned(reading(*wanted, root=repository, commands=(("pip install -e .", "README.md:1"),)))
    assert [line.split(" ")[0] for line in plan.requirements] == ["thing==1.0"]
    assert not sang.exists()
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before


def test_a_plan_that_is_not_told_a_python_starts_none_of_the_repositorys(
    index: PackageIndex, repository: Path, sang: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap(repository, sang)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("VIRTUAL_ENV", str(repository / ".venv"))
    plan = planned(reading(root=repository), python=None)
    assert plan.python.path is None or repository not in plan.python.path.parents
    assert not sang.exists()


def test_a_canary_that_is_run_sings(repository: Path, sang: Path) -> None:
    trap(repository, sang)
    os.system(f"cd '{repository}' && bin/python")
    assert sang.exists()


def test_no_source_is_built_to_learn_what_it_needs(index: PackageIndex, sang: Path) -> None:
    setup = (
        CANARY.format(place=str(sang)) + "from setuptools import setup\nsetup(name='raw', version='1.0')\n"
    )
    index.add_source("raw", "1.0", setup=setup)
    index.add_source("deep", "1.0", setup=setup.replace("raw", "deep"))
    index.add_wheel("thing", "1.0", requires=["deep"])
    plan = planned(reading("raw", "thing"))
    assert sorted(one.partition("==")[0] for one in plan.to_build) == ["deep", "raw"]
    assert not sang.exists()


def test_a_wheel_is_not_started_by_a_plan(index: PackageIndex, sang: Path) -> None:
    code = CANARY.format(place=str(sang))
    index.add_wheel("thing", "1.0", files={"thing.py": code, "thing.pth": f"import os; {code}"})
    assert planned(reading("thing")).resolved
    assert not sang.exists()


def test_nobody_else_is_asked_for_packages_unless_the_user_says_so(
    index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add_wheel("thing", "1.0")
    with served_index() as stranger:
        stranger.add_wheel("thing", "9.9")
        url = f"{stranger.url}/simple"
        lines = (
            f"--index-url {url}",
            f"thing --extra-index-url {url}",
            f"x @ {stranger.url}/files/x-1-py3-none-any.whl",
        )
        plan = planned(reading("thing", *lines, indexes=(url,)))
        assert stranger.asked == []
        monkeypatch.setenv("UV_INDEX", url)
        allowed = planned(reading("thing", indexes=(url,)))
        assert "thing" in stranger.asked
    assert plan.requirements[0].startswith("thing==1.0 ")
    assert allowed.requirements[0].startswith("thing==9.9 ")
    assert url in fault(plan.faults, "foreign index").detail


@pytest.mark.parametrize(
    "variable", ["UV_NO_BUILD_ISOLATION", "UV_OVERRIDE", "UV_CONSTRAINT", "PYTHONPATH", "PIP_INDEX_URL"]
)
def test_variables_that_change_what_is_installed_do_not_reach_uv(
    variable: str, index: PackageIndex, repository: Path, sang: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap(repository, sang)
    index.add_wheel("thing", "1.0")
    monkeypatch.setenv(variable, str(repository / "requirements.txt" if "UV" in variable else repository))
    assert planned(reading("thing", root=repository)).resolved
    assert not sang.exists()


def test_the_users_own_settings_of_uv_are_heeded(
    index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served_index() as own:
        own.add_wheel("thing", "5.0")
        monkeypatch.delenv("UV_DEFAULT_INDEX")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        (tmp_path / "uv").mkdir()
        (tmp_path / "uv/uv.toml").write_text(f'[[index]]\nurl = "{own.url}/simple"\ndefault = true\n')
        assert planned(reading("thing")).requirements[0].startswith("thing==5.0 ")
