"""The copy that a repository runs in: nothing is written back, no link leads out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import tree

from lensmith.errors import UsageError
from lensmith.reproduction.copying import copy_repository
from lensmith.reproduction.running import new_place


@pytest.mark.skipif(os.name != "posix", reason="needs links and pipes")
def test_links_stay_inside_and_odd_files_stay_away(tmp_path: Path) -> None:
    repository, into = tmp_path / "a repo\n", tmp_path / "copy"
    (repository / "pkg/sub").mkdir(parents=True)
    (repository / ".git").mkdir()
    (repository / ".git/config").write_text("x")
    (repository / "pkg/sub/ünï.py").write_text("print()")
    (repository / "run.sh").write_text("#!/bin/sh\n")
    (repository / "run.sh").chmod(0o755)
    (repository / "inner").symlink_to("pkg/sub")
    (repository / "outer").symlink_to("../../etc")
    (repository / "absolute").symlink_to(repository / "pkg")
    os.mkfifo(repository / "pipe")
    before = tree(repository / "pkg")
    left_out = copy_repository(repository, into)
    assert sorted(words.split(":")[0] for words in left_out) == ["absolute", "outer", "pipe"]
    assert (into / "inner/ünï.py").read_text() == "print()"
    assert os.access(into / "run.sh", os.X_OK) and not (into / ".git").exists()
    (into / "inner/ünï.py").write_text("changed")
    assert tree(repository / "pkg") == before


def test_nothing_is_placed_in_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    monkeypatch.chdir(repository)
    with pytest.raises(UsageError, match="lies in the repository"):
        new_place("repository", None, Path())
    monkeypatch.chdir(tmp_path)
    first = new_place("repository", None, repository)
    assert new_place("repository", None, repository) != first


def test_nothing_is_placed_among_other_things(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").touch()
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier/VERDICT.md").touch()
    with pytest.raises(UsageError, match="already holds something"):
        new_place("x", tmp_path / "mine", tmp_path / "repository")
    assert new_place("x", tmp_path / "earlier", tmp_path / "repository") == tmp_path / "earlier"
