"""The commit and its date, out of git's own files in each of the ways in which git keeps them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from paper_repositories import commit_all

from lensmith.errors import DataError, UsageError
from lensmith.repositories.fetching import fetch_repository
from lensmith.repositories.history import commit_of


def git(root: Path, *words: str) -> str:
    variables = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    command = ["git", *words]
    done = subprocess.run(command, cwd=root, env=variables, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "repository"
    place.mkdir()
    for day in ("2021-05-06", "2021-05-07", "2021-05-08"):
        (place / "a.py").write_text(f"'{day}'\n" * 50)
        commit_all(place, day)
    return place


@pytest.mark.parametrize(
    "steps",
    [[], ["gc --quiet --aggressive"], ["pack-refs --all"], ["checkout --quiet --detach HEAD~1"]],
    ids=["loose", "packed", "packed refs", "detached"],
)
def test_as_git_says(root: Path, steps: list[str]) -> None:
    for words in steps:
        git(root, *words.split())
    commit, day = commit_of(root)
    assert commit == git(root, "rev-parse", "HEAD")
    assert str(day) == git(root, "log", "-1", "--format=%cs")


def test_many_commits_packed_as_deltas(tmp_path: Path) -> None:
    long = "\n".join(f"line {number} of a long message" for number in range(300))
    git(tmp_path, "init", "--quiet")
    for day in range(1, 13):
        words = ["-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--allow-empty"]
        when = f"2020-01-{day:02} 12:00:00 +0000"
        subprocess.run(
            ["git", *words, "-m", f"{day}\n{long}"],
            cwd=tmp_path,
            env={**os.environ, "GIT_COMMITTER_DATE": when, "GIT_CONFIG_GLOBAL": os.devnull},
            check=True,
        )
    git(tmp_path, "gc", "--quiet", "--aggressive")
    newest = git(tmp_path, "rev-parse", "HEAD")
    for back in range(12):
        git(tmp_path, "checkout", "--quiet", "--detach", f"{newest}~{back}")
        commit, day_ = commit_of(tmp_path)
        assert (commit, str(day_)) == (git(tmp_path, "rev-parse", "HEAD"), f"2020-01-{12 - back:02}")


@pytest.mark.parametrize("name", ["HEAD", "index", "pack"])
def test_damage_is_no_commit(root: Path, name: str) -> None:
    git(root, "gc", "--quiet")
    for path in (
        [root / ".git/HEAD"]
        if name == "HEAD"
        else (root / ".git/objects/pack").glob("*.idx" if name == "index" else "*.pack")
    ):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:40] + b"\xff" * 60)
    assert commit_of(root)[1] is None


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(root: Path) -> None:
    (root / ".git/HEAD").unlink()
    os.mkfifo(root / ".git/HEAD")
    assert commit_of(root) == (None, None)


def test_a_git_folder_that_leads_elsewhere_is_not_followed(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / ".git").write_text(f"gitdir: {root}/.git\n")
    assert commit_of(other) == (None, None)
    (root / ".git/HEAD").write_text("ref: refs/../../../secret\n")
    assert commit_of(root) == (None, None)


@pytest.mark.parametrize(
    "url",
    ["--upload-pack=touch x", "ext::sh -c touch% x", "-x", "git://example.org/a", "http://example.org/a", "https://u:p@example.org/a",
     "ssh://-oProxyCommand=x/a", "file:///a\nb", "javascript:1"],
)  # fmt: skip
def test_addresses_that_are_not_given_to_git(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        fetch_repository(url, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_clone_and_what_cannot_be_cloned(root: Path, tmp_path: Path) -> None:
    into = fetch_repository(f"file://{root}", tmp_path / "new folder" / "clone")
    assert (into / "a.py").read_text() == (root / "a.py").read_text()
    assert str(commit_of(into)[1]) == "2021-05-08" and git(into, "rev-list", "--count", "HEAD") == "1"
    with pytest.raises(DataError, match="cannot be fetched"):
        fetch_repository(f"file://{tmp_path}/nothing", tmp_path / "y")
    with pytest.raises(UsageError, match="already holds"):
        fetch_repository(f"file://{root}", into)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["new folder", "repository"]
