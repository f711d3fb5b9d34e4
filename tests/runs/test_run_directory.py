"""Run directories: numbered, pointed at by `last`, never written over."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lensmith.errors import ModelFileError, UsageError
from lensmith.runs.directory import RunDirectory, find_run, new_run
from lensmith.runs.recipe import Recipe


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def begun(name: str = "pets", out: Path | None = None) -> RunDirectory:
    """A run that has its recipe, as each has before its first step."""
    with new_run(name, out) as run:
        Recipe().write(run.recipe_file)
    return run


def made(out: Path | None = None) -> Path:
    """Where a new run is made."""
    with new_run("x", out) as run:
        return run.path


def test_runs_are_numbered_and_last_is_the_newest(here: Path) -> None:
    runs = [begun(), begun(), begun("cats"), begun()]
    assert [run.path.name for run in runs] == ["pets-001", "pets-002", "cats-001", "pets-003"]
    assert find_run("last").path == here / "runs" / "pets-003"
    assert find_run("runs/cats-001").recipe() == Recipe()
    assert find_run(runs[0].path).path == runs[0].path


@pytest.mark.fault(41)
def test_last_is_a_pointer_and_no_time_stamp() -> None:
    first, second = begun(), begun()
    os.utime(first.path, (2e9, 2e9))
    assert find_run("last").path.name == second.path.name


def test_last_from_elsewhere_and_of_a_run_with_a_place_of_its_own(here: Path) -> None:
    begun()
    out = begun(out=Path("elsewhere/deep/run"))
    assert find_run("last").path == here / "elsewhere" / "deep" / "run"
    assert out.looks_file == Path("elsewhere/deep/looks.jsonl")


def test_no_last_run_yet(here: Path) -> None:
    with pytest.raises(ModelFileError, match="there is none") as caught:
        find_run("last")
    assert str(here / "runs") in caught.value.message
    assert "lensmith train" in caught.value.hint


@pytest.mark.parametrize("remove", [shutil.rmtree, lambda path: (path / "recipe.toml").unlink()])
def test_a_last_run_that_is_gone_names_the_others(remove: object) -> None:
    kept, gone = begun(), begun()
    remove(gone.path)
    with pytest.raises(ModelFileError, match=r"pets-002: the last run is no longer there") as caught:
        find_run("last")
    assert kept.path.name in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\n", b"nowhere\n"])
def test_a_damaged_pointer_is_no_run(content: bytes, here: Path) -> None:
    begun()
    (here / "runs" / "last").write_bytes(content)
    with pytest.raises(ModelFileError, match="no longer there"):
        find_run("last")


def test_a_folder_called_last_is_itself(here: Path) -> None:
    begun()
    begun(out=here / "last")
    assert find_run("last").path == Path("last")


def test_what_is_no_run(here: Path) -> None:
    begun()
    (here / "photos").mkdir()
    with pytest.raises(ModelFileError, match="pets-1: no such run") as caught:
        find_run("pets-1")
    assert "pets-001" in caught.value.hint
    with pytest.raises(ModelFileError, match="not a run directory"):
        find_run("photos")


def test_a_place_that_holds_something_is_refused(here: Path) -> None:
    (here / "empty").mkdir()
    assert made(here / "empty") == here / "empty"
    (here / "full").mkdir()
    (here / "full" / ".hidden").write_text("x")
    (here / "file").write_text("x")
    for place in ("full", "file"):
        with pytest.raises(UsageError, match="already holds something") as caught:
            made(Path(place))
        assert "--out" in caught.value.hint
    assert (here / "full" / ".hidden").read_text() == "x"


def test_a_place_that_cannot_be_written_is_refused(here: Path) -> None:
    (here / "file").write_text("x")
    with pytest.raises(UsageError, match="no run can be written there") as caught:
        made(here / "file" / "run")
    assert "--out" in caught.value.hint
    (here / "runs").write_text("a file in the way")
    with pytest.raises(UsageError, match="no run can be written there"):
        made()
    assert made(here / "out") == here / "out", "only the pointer is missing"


def test_a_name_is_one_folder(here: Path) -> None:
    assert begun("data/2024\\may").path == Path("runs/data-2024-may-001")
    assert begun("größe 🐈\nx").path.is_dir()
    assert find_run("last").path.name == "größe 🐈\nx-001"


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode there")
def test_a_place_whose_name_is_not_utf8(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = here / os.fsdecode(b"caf\xe9 ")
    place.mkdir()
    monkeypatch.chdir(place)
    begun()
    assert find_run("last").path == place / "runs" / "pets-001"


START = """
import sys
from lensmith.runs.directory import new_run

sys.stdin.readline()
with new_run("race") as run:
    print(run.path)
"""


@pytest.mark.fault(41)
def test_runs_begun_at_once_get_places_of_their_own() -> None:
    command = [sys.executable, "-c", START]
    racing = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in racing:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.close()
        process.stdin = None
    places = {process.communicate()[0].strip() for process in racing}
    assert places == {f"runs/race-00{number}" for number in (1, 2, 3, 4)}
    assert Path("runs/last").read_text().endswith("\n")


def test_facts_and_completeness() -> None:
    run = begun()
    assert not run.is_complete()
    run.write_facts({"command": ["größe", "🐈"], "nested": {"n": 1.5, "none": None}})
    assert run.facts() == {"command": ["größe", "🐈"], "nested": {"n": 1.5, "none": None}}
    assert "größe" in run.facts_file.read_text(encoding="utf-8")
    run.model.mkdir()
    (run.model / "bundle.json").write_text("{}")
    assert not run.is_complete()
    run.report_file.write_text("{}")
    assert run.is_complete()
