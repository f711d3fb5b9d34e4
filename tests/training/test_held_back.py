"""How sure an answer is, is learned from pictures that nothing else was learned from, and saved with the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from painted import COLOURS, paint, paint_folder

import lensmith as lm
from lensmith.bundle.bundle import load_model
from lensmith.data.dataset import ImageDataset
from lensmith.machine.runtime import find_runtime
from lensmith.planning.plan import choose
from lensmith.runs.files import read_json
from lensmith.runs.predictions import read_predictions
from lensmith.runs.recipe import Recipe
from lensmith.training.held_back import _drawn

QUICK: dict[str, Any] = {"model": "convnet", "image_size": 16, "epochs": 3, "batch_size": 16, "device": "cpu"}


def mixed_folder(folder: Path, count: int) -> Path:
    """Two classes, of which every fifth picture shows the other one: nobody can be sure of more than four fifths."""
    for name, other in (("ant", "bee"), ("bee", "ant")):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            shown = other if number % 5 == 0 else name
            paint(shown, number + (1000 if shown != name else 0)).save(folder / name / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> lm.Run:
    place = tmp_path_factory.mktemp("held")
    mixed_folder(place / "set", 150)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        run = lm.train("set", quiet=True, choice_fraction=0.5, max_error=0.3, label_smoothing=0.0, **QUICK)
        return lm.load_run(run.path.absolute())


def test_pictures_held_back_set_the_temperature_and_the_threshold(run: lm.Run) -> None:
    found = run.directory.facts()["calibration"]
    assert found["count"] == 120
    assert found["why"].startswith(
        f"temperature {found['temperature']:.3g}, by 120 training pictures held back"
    )
    saved = load_model(run.path).facts
    assert (saved.temperature, saved.threshold) == (found["temperature"], found["threshold"])
    assert saved.temperature != 1


def test_nobody_is_surer_than_the_pictures_allow(run: lm.Run) -> None:
    certain = [
        one.probability for one in run.bundle.predict([paint(n, i) for n in ("ant", "bee") for i in range(9)])
    ]
    assert 0.7 < sum(certain) / len(certain) < 0.9


def test_the_report_says_how_it_turned_out_and_the_bundle_keeps_to_figures(run: lm.Run) -> None:
    said = read_json(run.directory.report_file)["studies"]["reliability"]
    assert said["count"] == run.report.count
    assert said["log_loss"] == pytest.approx(run.report["log_loss"].value, abs=1e-6)
    assert run.bundle.facts.report["studies"] == {}
    page = run.directory.page_file.read_text(encoding="utf-8")
    assert 'aria-labelledby="Certainty"' in page
    assert said["verdict"][1:] in page.replace("&#x27;", "'")


def test_what_is_written_is_what_the_network_said_before(run: lm.Run) -> None:
    """`predictions.npz` holds logits without a temperature, so that another may be tried."""
    logits = read_predictions(run.directory.predictions_file).logits
    pictures = [Path(file) for file in read_predictions(run.directory.predictions_file).files.tolist()]
    prepared = [run.bundle.prepare(run.path.parent.parent / file) for file in pictures[:3]]
    assert logits[:3] == pytest.approx(run.bundle.logits(np.stack(prepared)), abs=1e-5)


def test_pictures_of_one_group_are_held_back_together() -> None:
    together = np.arange(60) // 5
    for seed in range(5):
        left_out = _drawn(together, 12, seed)
        assert left_out.sum() == 10
        assert all(len(set(left_out[together == number].tolist())) == 1 for number in range(12))
    assert _drawn(np.arange(60), 12, 0).sum() == 12
    assert _drawn(np.zeros(60, np.int64), 12, 0).all(), "all of one group cannot be parted"


def test_val_is_taken_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 30), ("val", 30), ("test", 10)):
        paint_folder(tmp_path / "set" / split, ant=count, bee=count)
    run = lm.train("set", quiet=True, **QUICK)
    assert "by 60 pictures of val" in run.directory.facts()["calibration"]["why"]


def test_with_too_few_pictures_nothing_is_set_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paint_folder(tmp_path / "set", ant=20, bee=20)
    run = lm.train("set", quiet=True, **QUICK)
    assert "no pictures were left out" in run.directory.facts()["calibration"]["why"]
    assert load_model(run.path).facts.temperature == 1


@pytest.mark.parametrize(("count", "share"), [(3999, 0.0), (4000, 0.05), (50_000, 0.02)])
def test_some_are_spared_where_they_are_little_of_all(count: int, share: float, tmp_path: Path) -> None:
    paint_folder(tmp_path / "set", ant=1, bee=1)
    two = lm.load_data(tmp_path / "set")
    many = ImageDataset([two.examples[i % 2] for i in range(count)], two.classes, name="many")
    plan = choose(Recipe(pretrained=False, device="cpu"), many, find_runtime("cpu"))
    assert plan.recipe.choice_fraction == share


def test_a_number_has_no_probability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = ["path,value"]
    for number in range(40):
        paint(sorted(COLOURS)[number % 2], number).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{number % 2}.5")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    run = lm.train("labels.csv", quiet=True, out="run", **QUICK)
    assert "no probability" in run.directory.facts()["calibration"]["why"]
    assert "reliability" not in run.report.studies
