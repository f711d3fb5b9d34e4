"""A run is found again with its pictures, as it measured them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import command
from painted import paint_folder

import lensmith as lm
from lensmith.studies.subject import find_subject

QUICK: dict[str, Any] = {"model": "convnet", "image_size": 16, "epochs": 1, "batch_size": 8, "device": "cpu"}


@pytest.mark.parametrize("words", [{}, {"folds": 3}, {"test_fraction": 0.2}], ids=str)
def test_its_pictures_are_those_that_were_measured(
    words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paint_folder(tmp_path / "set", ant=20, bee=20)
    run = lm.train("set", quiet=True, **QUICK, **words)
    found = find_subject(run.directory)
    assert found.held_out.ids == found.predictions.ids.tolist()
    assert len(found.held_out) == run.report.count
    targets = [found.bundle.classes.index(found.held_out.words(target)) for target in found.held_out.targets]
    assert targets == found.predictions.targets.tolist()


def test_a_run_in_folds_gets_its_whole_page(tmp_path: Path) -> None:
    paint_folder(tmp_path / "set", ant=20, bee=20)
    words = ("image_size=16", "epochs=1", "batch_size=8", "folds=3")
    assert command("train", "set", "--model", "convnet", *words, cwd=tmp_path).code == 0
    done = command("report", "last", "--full", "--json", cwd=tmp_path)
    assert done.code == 0
    assert "left_out" not in done.json["studies"]
