"""`decisions=FILE`: the training follows it, the run says what it did, and what it was good for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drawn import tree_hash
from painted import paint, paint_folder

import lensmith as lm
from lensmith.errors import DataError
from lensmith.models.packaged import is_there
from lensmith.runs.files import read_json
from lensmith.runs.recipe import Recipe
from lensmith.training.job import run_job

SCRATCH: dict[str, Any] = {"model": "convnet", "image_size": 16, "epochs": 1.0, "batch_size": 8}
HEAD: dict[str, Any] = {"model": "efficientnet_lite0", "pretrained": True, "freeze": True, "image_size": 32}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ants and bees; ten of the ants that one learns from are called bees, and two pictures show nothing of it."""
    paint_folder(tmp_path / "set/train", ant=12, bee=12)
    paint_folder(tmp_path / "set/val", ant=12, bee=12)
    for number in range(20, 30):
        paint("ant", number).save(tmp_path / f"set/train/bee/ant{number}.png")
    for number in range(2):
        paint("dog", number).save(tmp_path / f"set/train/ant/dog{number}.png")
    rows = [f"train/bee/ant{number}.png,relabel,ant" for number in range(20, 30)]
    rows += ["train/ant/dog0.png,drop,", "train/ant/dog1.png,drop,", "val/ant/00.png,keep,"]
    (tmp_path / "decisions.csv").write_text("\n".join(["path,decision,label", *rows]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(**fields: Any) -> tuple[lm.Run, str]:
    words, going = [], run_job("set", Recipe().changed(decisions="decisions.csv", device="cpu", **fields))
    while True:
        try:
            event = next(going)
            words.append(event.words)
        except StopIteration as end:
            return end.value, "\n".join(words)


@pytest.mark.skipif(not is_there(), reason="the package with the weights is not installed")
def test_a_head_is_compared_with_the_one_that_knew_no_decisions(place: Path) -> None:
    before = tree_hash(place / "set")
    run, said = trained(**HEAD)
    assert tree_hash(place / "set") == before
    assert "58 pictures of 2 classes (ant 34, bee 24); 34 to train on" in said
    assert "2 left out and 10 relabelled" in said
    facts = run.directory.facts()["data"]
    assert facts["train"] == {"count": 34, "classes": {"ant": 22, "bee": 12}}
    assert facts["decisions"]["dropped"] == {"train": 2} and facts["decisions"]["relabelled"] == {"train": 10}
    gain = read_json(run.directory.report_file)["studies"]["decisions"]
    assert (gain["first"], gain["second"], gain["count"]) == ("with the decisions", "without them", 24)
    assert gain["verdict"] in said
    # The model that was kept is the one that knows them, and the other has learned less.
    assert gain["values"][0] == run.report["accuracy"].value >= gain["values"][1]


def test_a_training_from_scratch_names_the_command_that_compares(place: Path) -> None:
    run, said = trained(**SCRATCH)
    assert f"lensmith compare {run.path} RUN" in said
    assert run.directory.facts()["data"]["train"]["count"] == 34
    assert lm.Recipe().changed(decisions="decisions.csv").decisions == run.directory.recipe().decisions


def test_the_file_is_read_before_anything_else(place: Path) -> None:
    (place / "decisions.csv").write_text("path,decision\na.png,keep\n")
    with pytest.raises(DataError, match="1 of 1 rows mean no picture"):
        trained(**SCRATCH)
    with pytest.raises(DataError, match=r"none\.csv: no decisions can be read"):
        next(run_job("nowhere", Recipe().changed(decisions="none.csv")))
    assert not (place / "runs").exists()
