"""Repositories that try to run code while they are read: a file that any of it would write never appears."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from paper_repositories import commit_all

import lensmith
from lensmith.repositories.fetching import fetch_repository
from lensmith.repositories.history import commit_of
from lensmith.repositories.repository import read_repository

SOURCE = Path(lensmith.__file__).parents[1]
POSIX = pytest.mark.skipif(os.name != "posix", reason="shell scripts as bait")


@pytest.fixture
def bait(tmp_path: Path) -> Path:
    """A repository each file of which writes `canary` beside it, if it is run, imported or obeyed."""
    root, canary = tmp_path / "bait", tmp_path / "canary"
    root.mkdir()
    python = f"open({str(canary)!r}, 'a').write(__file__ if '__file__' in globals() else 'run')\n"
    modules = [
        "setup",
        "conftest",
        "sitecustomize",
        "usercustomize",
        "yaml",
        "packaging",
        "tomllib",
        "ast",
        "json",
    ]
    modules += [
        "torch",
        "typer",
        "subprocess",
        "resource",
        "backend",
        "train",
        "lensmith/__init__",
        "package/__init__",
    ]
    for name in modules:
        (root / name).parent.mkdir(exist_ok=True)
        (root / f"{name}.py").write_text(python)
    (root / "own.pth").write_text(f"import os; {python}")
    yaml = f"name: x\ndependencies:\n  - !!python/object/apply:os.system ['touch {canary}']\n"
    (root / "environment.yml").write_text(yaml)
    (root / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "x"\ndynamic = ["version", "dependencies"]\n'
    )
    (root / "requirements.txt").write_text(f"-e .\nnumpy; os_name == '$(touch {canary})'\n`touch {canary}`\n")
    (root / "README.md").write_text(
        f"```sh\npython train.py $(touch {canary})\npip install `touch {canary}`\n```\n"
    )
    cell = {"cell_type": "code", "source": [f"!touch {canary}\n", python]}
    (root / "notebook.ipynb").write_text(json.dumps({"cells": [cell], "nbformat": 4}))
    return root


def test_files_are_not_run(bait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bait)
    monkeypatch.setenv("PYTHONPATH", str(bait))
    reading = read_repository(bait)
    assert not (tmp_path / "canary").exists()
    assert reading.files > 10 and "asks its reader to run Python" in reading.skipped["environment.yml"]


@pytest.mark.fault(36)
@pytest.mark.parametrize("program", [True, False], ids=["program", "module"])
def test_the_command_runs_nothing_within_the_folder(bait: Path, tmp_path: Path, program: bool) -> None:
    code = f"import sys; sys.path.append({str(SOURCE)!r}); from lensmith.cli.main import main; main()"
    words = ["-P", "-c", code] if program else ["-m", "lensmith"]
    if not program:  # imported before anything of ours is run, so that nothing can keep it away
        shutil.rmtree(bait / "lensmith")
    variables = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, *words, "reproduce", ".", "--to", "read", "--json"]
    done = subprocess.run(command, cwd=bait, env=variables, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout), done.stderr
    assert not (tmp_path / "canary").exists()


@pytest.mark.fault(36)
@POSIX
def test_settings_and_hooks_of_its_own_git_are_not_obeyed(tmp_path: Path) -> None:
    root, canary = tmp_path / "repository", tmp_path / "canary"
    root.mkdir()
    (root / "train.py").write_text("import numpy\n")
    commit_all(root, "2021-05-06")
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {shlex.quote(str(canary))}\n")
    script.chmod(0o755)
    hooks = root / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc"):
        (hooks / name).write_bytes(script.read_bytes())
        (hooks / name).chmod(0o755)
    names = ["core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "gpg.program", "core.gitProxy"]
    names += [
        "core.askPass",
        "credential.helper",
        "diff.external",
        "core.alternateRefsCommand",
        "filter.x.smudge",
    ]
    settings = "".join(
        f"[{section}]\n{name} = {script}\n" for section, name in (one.split(".", 1) for one in names[:10])
    )
    with (root / ".git/config").open("a") as file:
        file.write(
            f'{settings}[log]\nshowSignature = true\n[filter "x"]\nsmudge = {script}\nclean = {script}\n'
        )
    (root / ".gitattributes").write_text("* filter=x\n")
    assert str(read_repository(root).date) == "2021-05-06"
    assert not canary.exists()
    subprocess.run(["git", "status"], cwd=root, capture_output=True, check=False)
    assert canary.exists()  # the bait works: git itself obeys


@pytest.mark.fault(36)
@POSIX
def test_a_clone_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, canary = tmp_path / "there", tmp_path / "canary"
    root.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    commit_all(other, "2020-01-01")
    (root / "train.py").write_text("x = 1\n")
    (root / ".gitattributes").write_text("*.py filter=evil\n")
    (root / "link").symlink_to("/etc/passwd")
    (root / ".gitmodules").write_text(f'[submodule "other"]\n\tpath = other\n\turl = file://{other}\n')
    commit_all(root, "2021-05-06")
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {shlex.quote(str(canary))}\ncat\n")
    script.chmod(0o755)
    template = tmp_path / "template/hooks"
    template.mkdir(parents=True)
    (template / "post-checkout").write_bytes(script.read_bytes())
    (template / "post-checkout").chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f'[filter "evil"]\nsmudge = {script}\n[init]\ntemplateDir = {template.parent}\n[core]\nfsmonitor = {script}\n'
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(template.parent))
    into = fetch_repository(f"file://{root}", tmp_path / "here")
    assert not canary.exists()
    assert not (into / "link").is_symlink() and not list((into / ".git").glob("hooks/*"))
    assert str(commit_of(into)[1]) == "2021-05-06"
    reading = read_repository(into)
    assert "submodules" in [fault.name for fault in reading.faults]
