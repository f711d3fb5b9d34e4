"""Some of a run's pictures explained, and the section of the page that shows them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lensmith.bundle.bundle import load_model
from lensmith.data.sources import load_data
from lensmith.data.splitting import assign_roles
from lensmith.evaluation.withheld import Withheld
from lensmith.explaining.explanations import Explanations, chosen_rows, explanations
from lensmith.report.explanations import explanations as section
from lensmith.report.explanations import write_explanations
from lensmith.runs.directory import RunDirectory
from lensmith.runs.predictions import read_predictions


def made(run: RunDirectory, **words: float) -> Explanations | Withheld:
    bundle, predictions = load_model(run.path), read_predictions(run.predictions_file)
    roles = assign_roles(load_data("digits"), run.recipe().val_fraction, run.recipe().seed)
    going = explanations(bundle, predictions, roles.held_out, roles.train, **words)  # type: ignore[arg-type]
    while True:
        try:
            next(going)
        except StopIteration as end:
            found: Explanations | Withheld = end.value
            return found


@pytest.fixture
def run(trained_digits_copy: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    monkeypatch.chdir(trained_digits_copy)
    return RunDirectory(Path("runs/digits-001"))


def test_mistakes_and_sure_hits_with_their_trust_and_their_like(run: RunDirectory, tmp_path: Path) -> None:
    study = made(run, most=4)
    assert isinstance(study, Explanations) and len(study.pictures) == study.of == 4
    wrong = [one for one in study.pictures if not one.is_right]
    assert all(one.shows != one.said for one in wrong)
    assert all(one.shows == one.said == one.label for one in study.pictures if one.is_right)
    assert all(len(one.alike) == 3 for one in study.pictures)
    facts = json.loads(json.dumps(study.as_dict()))
    assert facts["verdict"].startswith(f"{round(study.trusted.value * 4)} of 4 heat maps")
    shown = section(facts)
    assert shown.count("<img") == 4 * 4 and shown.count("draws") >= 4
    write_explanations(tmp_path / "why.html", "why", facts)
    page = (tmp_path / "why.html").read_text()
    assert "http:" not in page and "https:" not in page and len(page) < 400_000


def test_pictures_that_went_are_named_on_the_page(run: RunDirectory) -> None:
    study = made(run, most=1)
    facts = study.as_dict()
    Path(facts["pictures"][0]["file"]).unlink()
    assert "no longer there" in section(facts)


def test_when_time_is_up_one_is_done(run: RunDirectory) -> None:
    study = made(run, most=4, seconds=0)
    assert isinstance(study, Explanations) and (len(study.pictures), study.of) == (1, 4)


def test_the_surest_of_each_kind_are_chosen(run: RunDirectory) -> None:
    bundle, predictions = load_model(run.path), read_predictions(run.predictions_file)
    chosen = chosen_rows(predictions, bundle, 8)
    assert len({row for row, _, _ in chosen}) == len(chosen) == 8
    right = predictions.logits.argmax(1) == predictions.targets
    assert all(right[row] == is_right for row, _, is_right in chosen)
    hits = [output for _, output, is_right in chosen if is_right]
    assert len(set(hits)) == len(hits), "each of another class, as long as there are classes"
    assert [is_right for _, _, is_right in chosen].count(False) == min(4, int(np.sum(~right)))
