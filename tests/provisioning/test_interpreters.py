from __future__ import annotations

import os
import sys
from datetime import date
from pathlib import Path

import pytest

from lensmith.provisioning.interpreters import Interpreter, find_interpreters, read_releases, suit

HERE = [
    Interpreter(version, Path("/pythons") / version) for version in ("3.13.0", "3.11.7", "3.10.13", "3.8.18")
]


def minors(
    *, installed: list[Interpreter] = HERE, wanted: str = "", asked: str | None = None, day: str
) -> list[str]:
    found = suit(installed, wanted=wanted, asked=asked, day=date.fromisoformat(day))
    return [one.minor if one.is_here else f"{one.minor} fetched" for one in found]


@pytest.mark.parametrize(
    ("day", "first"),
    [("2023-08-01", "3.11"), ("2022-08-01", "3.10"), ("2020-08-01", "3.8"), ("2026-11-01", "3.13")],
)
def test_the_python_of_the_time_is_tried_first(day: str, first: str) -> None:
    assert minors(day=day)[0] == first


def test_an_older_one_is_nearer_than_a_newer_and_what_is_here_than_what_is_fetched() -> None:
    assert minors(day="2021-08-01") == ["3.8", "3.10", "3.11", "3.13", "3.9 fetched", "3.12 fetched"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (">=3.10", ["3.10", "3.11", "3.13"]),
        ("==3.8.*", ["3.8"]),
        ("==3.8.5", ["3.8"]),
        ("~=3.11", ["3.11", "3.13"]),
        ("<3.9", ["3.8"]),
        (">=3.12,<3.13", []),
    ],
)
def test_only_what_the_repository_admits_is_tried(wanted: str, found: list[str]) -> None:
    assert [one for one in minors(wanted=wanted, day="2022-08-01") if "fetched" not in one] == found


def test_what_uv_does_not_fetch_is_not_offered() -> None:
    assert minors(wanted="==3.7.*", day="2020-08-01") == []


def test_the_one_that_is_asked_for_is_the_only_one() -> None:
    assert minors(asked="3.10", wanted=">=3.11", day="2023-01-01") == ["3.10"]
    assert minors(asked="3.10.13", day="2023-01-01") == ["3.10"]
    assert minors(asked="3.10.1", day="2023-01-01") == ["3.10 fetched"]


def test_the_python_that_runs_this_is_found_and_no_shim_is() -> None:
    found = find_interpreters()
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in [one.minor for one in found]
    assert all(one.path is not None and "shims" not in one.path.parts for one in found)
    assert len({one.minor for one in found}) == len(found)


@pytest.mark.skipif(os.name == "nt", reason="pyenv's layout of Linux and macOS")
def test_pyenvs_are_found_by_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("3.9.1", "3.9.18", "an-environment"):
        (tmp_path / "versions" / name / "bin").mkdir(parents=True)
        (tmp_path / "versions" / name / "bin/python").write_text("")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    nines = [one for one in find_interpreters() if one.minor == "3.9"]
    assert nines == [Interpreter("3.9.18", tmp_path / "versions/3.9.18/bin/python")]


def test_the_table_of_releases_is_whole() -> None:
    table = read_releases()
    days = [date.fromisoformat(day) for day in table["released"].values()]
    assert days == sorted(days)
    assert table["source"] and table["date"]
