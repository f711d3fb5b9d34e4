"""`lensmith reproduce RUN`: a run of lensmith repeated from its own files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import command
from runs_by_hand import make_run

from lensmith.errors import DataError, ModelFileError
from lensmith.reproduction.of_run import differences_here, read_recorded, run_named, verdict_on
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import write_json


@pytest.mark.slow
def test_a_run_on_digits_is_reproduced(trained_digits_copy: Path) -> None:
    place = trained_digits_copy
    done = command("reproduce", "last", "--to", "run", "--out", "again", "--json", cwd=place)
    assert done.code == 0, done.err
    assert done.json["verdict"]["verdict"] == "reproduced"
    assert "equal weights" in done.json["verdict"]["reason"]
    assert "this environment equals that of the run" in done.err
    written = json.loads((place / "again/verdict.json").read_text(encoding="utf-8"))
    assert written == done.json["verdict"]
    page = (place / "again/VERDICT.md").read_text(encoding="utf-8")
    assert page.startswith("# Reproduced\n") and "lensmith reproduce" in page
    assert (place / "runs/last").read_text(encoding="utf-8").endswith("runs/digits-001\n")


def test_a_run_is_told_and_nothing_is_run_without_being_asked(trained_digits: Path) -> None:
    done = command("reproduce", "runs/digits-001", cwd=trained_digits)
    assert done.code == 0 and "digits-001, trained on digits" in done.out
    assert done.out.splitlines()[-1].split() == [
        "next",
        *["lensmith", "reproduce", "runs/digits-001", "--to", "run"],
    ]
    assert not (trained_digits / "reproductions").exists()


def test_other_versions_are_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs/old", ["a", "b"])
    (tmp_path / "my photos").mkdir()
    recorded = read_recorded(run)
    assert recorded.folder == tmp_path
    found = differences_here(recorded)
    assert any(words.startswith("torch 2.9.1 -> ") for words in found)


def test_pictures_that_are_gone_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs/old", ["a", "b"])
    facts = run.facts()
    facts["data"]["source"] = "gone/photos"
    run.write_facts(facts)
    with pytest.raises(DataError, match="gone/photos"):
        read_recorded(run)


@pytest.mark.parametrize(
    "facts", [{}, {"versions": 3}, {"versions": {}, "data": {"source": 4}}, {"data": []}, []]
)
def test_damaged_facts_are_refused(tmp_path: Path, facts: object) -> None:
    run = make_run(tmp_path / "runs/old", ["a", "b"])
    write_json(run.facts_file, facts)
    with pytest.raises(ModelFileError, match=r"facts\.json"):
        read_recorded(run)


def test_what_names_a_run(trained_digits: Path, tmp_path: Path) -> None:
    run = trained_digits / "runs/digits-001"
    for word in (run, run / "model"):
        found = run_named(str(word))
        assert found is not None and found.path.resolve() == run.resolve()
    assert run_named(str(tmp_path)) is None
    assert run_named("https://github.com/a/b") is None
    (tmp_path / "recipe.toml").touch()  # of something else
    assert run_named(str(tmp_path)) is None
    with pytest.raises(ModelFileError, match="no recipe"):
        run_named("model.lens")
    told = command("reproduce", str(run), "--claim", "90%", cwd=tmp_path)
    told.refused(2, "--claim 90%", "is a run")


def test_a_repetition_with_other_weights_is_judged_by_its_figure(tmp_path: Path) -> None:
    """351 of 360 right, then 350, then 300."""
    before = make_run(tmp_path / "a", ["a", "b"], [[180, 0], [9, 171]])
    words = []
    for name, wrong in (("near", 10), ("far", 60)):
        again = make_run(tmp_path / name, ["a", "b"], [[180, 0], [wrong, 180 - wrong]])
        again.write_facts({**again.facts(), "repeats": {"equal": False, "verdict": "not equal to a"}})
        words.append(verdict_on(before, RunDirectory(again.path)))
    near, far = words
    assert near.word == "within noise" and near.reason.startswith("not equal to a; ")
    assert near.count == 360 and near.low is not None and near.low < 350 / 360
    assert far.word == "not reproduced"
