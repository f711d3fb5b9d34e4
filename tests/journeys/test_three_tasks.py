"""Several labels and numbers go the whole way: table, training, measure, prediction, ONNX."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import lensmith as lm
from lensmith.runs.predictions import read_predictions
from lensmith.runs.recipe import Recipe

SIDE = 16
QUICK = Recipe(epochs=30.0, batch_size=16, device="cpu", lr=0.01, model="convnet")


def squares(place: Path, label: str) -> Path:
    """Pictures with a red square, a blue one, both or none; `labels` says which, `value` how many."""
    draw = np.random.default_rng(0)
    rows = []
    for number in range(120):
        pixels = draw.integers(200, 230, (SIDE, SIDE, 3)).astype(np.uint8)
        shown = [name for name in ("red", "blue") if draw.random() < 0.5]
        for name in shown:
            top, left = draw.integers(0, SIDE - 5, 2)
            pixels[top : top + 5, left : left + 5] = (220, 0, 0) if name == "red" else (0, 0, 220)
        Image.fromarray(pixels).save(place / f"{number}.png")
        rows.append([f"{number}.png", ";".join(shown) if label == "labels" else len(shown) + 0.5])
    with (place / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", label], *rows])
    return place / "labels.csv"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> lm.Run:
    place = tmp_path_factory.mktemp("labelled")
    return lm.train(squares(place, "labels"), recipe=QUICK, out=place.parent / "labelled-run", quiet=True)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> lm.Run:
    place = tmp_path_factory.mktemp("counted")
    return lm.train(squares(place, "value"), recipe=QUICK, out=place.parent / "counted-run", quiet=True)


def test_several_labels_are_found_and_measured(labelled: lm.Run) -> None:
    report = labelled.report
    assert (report.task, report.classes, report.main) == ("multilabel", ["blue", "red"], "mean_ap")
    assert report["mean_ap"].value > 0.9
    assert report["mean_ap"].low is not None
    assert [c.average_precision is not None for c in report.per_class] == [True, True]


def test_several_labels_are_predicted_as_they_were_measured(labelled: lm.Run, tmp_path: Path) -> None:
    measured = read_predictions(labelled.directory.predictions_file)
    files = measured.files.tolist()[:10]
    answers = labelled.predict(files)
    chances = 1 / (1 + np.exp(-measured.logits[:10].astype(np.float64)))
    for answer, row in zip(answers, chances, strict=True):
        assert dict(answer.top) == pytest.approx(dict(zip(["blue", "red"], row, strict=True)), abs=1e-6)
        assert answer.as_dict()["labels"] == [name for name, p in answer.top if p >= 0.5]
    labelled.export(tmp_path / "x.onnx", files)
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx")
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    said = session.run(["probabilities", "sure"], {"images": pixels})
    np.testing.assert_allclose(said[0], chances, atol=1e-5)
    assert said[1].tolist() == [answer.sure for answer in answers]


def test_numbers_are_measured_and_predicted(counted: lm.Run, tmp_path: Path) -> None:
    report = counted.report
    assert (report.task, report.main) == ("regression", "mae")
    assert report.baseline is not None and report["mae"].value < 0.75 * report.baseline.value.value
    measured = read_predictions(counted.directory.predictions_file)
    file = measured.files.tolist()[0]
    answer = counted.predict(file)
    assert answer.value == pytest.approx(float(measured.logits[0, 0]), abs=1e-5)
    counted.export(tmp_path / "x.onnx", [file])
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx")
    value = session.run(["value"], {"images": np.asarray(Image.open(file))[None]})[0]
    assert value == pytest.approx([answer.value], abs=1e-4)
    assert json.loads(session.get_modelmeta().custom_metadata_map["lensmith.classes"]) == []


def test_curves_lie_where_tensorboard_finds_them(labelled: lm.Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    labelled.writer.add_scalar("mine", 3.0, 1)
    labelled.writer.flush()
    read = EventAccumulator(str(labelled.directory.tensorboard)).Reload()
    tags = read.Tags()
    assert {"step/loss", "step/lr", "epoch/train_loss", "mine"} <= set(tags["scalars"])
    assert "training pictures" in tags["images"]
    assert tags["graph"]
    assert len(read.Scalars("epoch/train_loss")) == 30
