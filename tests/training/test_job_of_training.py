"""`train` from Python on a small painted set: what it writes, what it counts, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import tree
from painted import paint, paint_folder
from PIL import Image

import lensmith as lm
from lensmith.bundle.bundle import load_model
from lensmith.errors import DataError, ModelFileError, PictureError, UsageError
from lensmith.runs.differences import traits
from lensmith.runs.files import read_json, read_json_lines
from lensmith.runs.predictions import read_predictions
from lensmith.runs.recipe import read_recipe
from lensmith.training.job import run_job

QUICK: dict[str, Any] = {
    "model": "convnet",
    "image_size": 16,
    "epochs": 2,
    "batch_size": 8,
    "precision": "float32",
    "device": "cpu",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`set/train`, `set/val` and `set/test`: 64 pictures, 4 of them damaged, and 3 other files."""
    place = tmp_path_factory.mktemp("job")
    paint_folder(place / "set/train", ant=20, bee=20)
    paint_folder(place / "set/val", ant=2, bee=2)
    paint_folder(place / "set/test", ant=10, bee=10)
    for broken in ("train/ant/00.png", "train/bee/07.png", "val/ant/01.png", "test/bee/03.png"):
        (place / "set" / broken).write_bytes((place / "set" / broken).read_bytes()[:200])
    (place / "set/train/ant/notes.txt").write_text("of last summer")
    (place / "set/train/list.csv").write_text("a,b")
    Image.new("RGB", (20, 20)).save(place / "set/test/bee/moving.gif")
    return place


@pytest.fixture(scope="module")
def run(place: Path) -> lm.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        before = tree(place / "set")
        run = lm.train("set", quiet=True, **QUICK)
        assert tree(place / "set") == before
        assert run.path == Path("runs/set-001")
        return lm.load_run(run.path.absolute())


def test_a_run_holds_what_it_promises(run: lm.Run) -> None:
    names = {path.name for path in run.path.iterdir()}
    promised = "recipe.toml facts.json metrics.jsonl model predictions.npz report.json report.html"
    assert set(promised.split()) <= names
    assert "crash.txt" not in names
    assert read_recipe(run.path / "recipe.toml").unset() == []
    epochs = read_json_lines(run.path / "metrics.jsonl")
    assert [epoch["index"] for epoch in epochs if "index" in epoch][-1] == 2
    assert run.report["accuracy"].value > 0.9  # two colours
    assert str(run.report.count) in (run.path / "report.html").read_text(encoding="utf-8")


def test_used_and_skipped_are_the_files_found(run: lm.Run, place: Path) -> None:
    data = run.directory.facts()["data"]
    found = {str(path.relative_to(place)) for path in (place / "set").rglob("*") if path.is_file()}
    counts = [data[split]["count"] for split in ("train", "val", "test")]
    assert (counts, len(data["skipped"]), len(found)) == ([38, 3, 19], 7, 38 + 3 + 19 + 7)
    assert [sum(data[split]["classes"].values()) for split in ("train", "val", "test")] == counts
    assert {one["file"] for one in data["skipped"]} <= found
    assert all(one["reason"] for one in data["skipped"])
    assert run.report.count == 19


def test_every_package_is_written_down_and_few_are_compared(run: lm.Run) -> None:
    facts = run.directory.facts()
    assert (
        facts["versions"].items()
        <= {name: told.split(",")[0] for name, told in facts["packages"].items()}.items()
    )
    assert "sympy" in facts["packages"]  # which only torch needs
    assert "sympy" not in str(traits(run.directory))


def test_every_json_file_is_json_to_everybody(run: lm.Run) -> None:
    """Python writes NaN and Infinity where there is no figure; no other reader takes them."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    for file in [*run.path.glob("*.json*"), run.path / "model/bundle.json"]:
        for text in [file.read_text()] if file.suffix == ".json" else file.read_text().splitlines():
            json.loads(text, parse_constant=refuse)


def test_the_bundle_tells_the_report(run: lm.Run) -> None:
    facts = run.bundle.describe()
    assert facts["report"]["accuracy"]["value"] == run.report["accuracy"].value
    assert (facts["report"]["split"], facts["report"]["held_out"], facts["report"]["seen"]) == (
        "test",
        True,
        1,
    )
    assert facts["classes"] == ["ant", "bee"]
    made = facts["provenance"]
    assert made["data"]["train"] == {"count": 38, "classes": {"ant": 19, "bee": 19}}
    assert made["data"]["held_out"] == {"split": "test", "count": 19}
    assert (made["made_by"], made["run"], made["network"]) == ("train", "set-001", "convnet")
    assert made["weights"] == {"source": "trained from scratch"} and "torch" in made["packages"]


def test_predict_says_what_was_measured(run: lm.Run, place: Path) -> None:
    """For every held-out picture, from its file."""
    measured = read_predictions(run.path / "predictions.npz")
    assert len(measured.files) == 19 and set(measured.splits) == {"test"}
    powers = np.exp(measured.logits.astype(np.float64))
    for file, row in zip(measured.files, powers / powers.sum(axis=1, keepdims=True), strict=True):
        top = dict(run.predict(place / str(file)).top)
        assert [top["ant"], top["bee"]] == pytest.approx(row.tolist(), abs=1e-6)


def test_an_export_is_checked_on_the_pictures_held_out(
    run: lm.Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here one of them was damaged since, which only who looks can tell."""
    monkeypatch.chdir(place)
    assert run.export(place / "colours.onnx").stat().st_size > 10_000
    file = Path("set/test/ant/05.png")
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    with pytest.raises(PictureError, match=r"ant/05\.png"):
        run.export(place / "again.onnx")
    file.write_bytes(whole)
    assert not (place / "again.onnx").exists()


def test_a_run_shows_itself(run: lm.Run) -> None:
    assert "held-out pictures" in repr(run)
    assert "ant" in run._repr_html_()


class Worded:
    """Somebody's data set with words for targets and pictures of several kinds."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> tuple[Any, str]:
        name = ("bee", "ant")[index % 2]
        picture = paint(name, index)
        return (picture, np.asarray(picture), picture.convert("RGBA"))[index % 3], name


def test_an_own_data_set_with_words_for_targets(tmp_path: Path) -> None:
    run = lm.train(Worded(), out=tmp_path / "run", quiet=True, **QUICK)
    assert run.report.classes == ["ant", "bee"]
    assert run.report.count == 8
    assert run.predict(paint("bee", 77)).label == "bee"
    assert run.directory.facts()["data"]["source"] == "Worded"


@pytest.mark.parametrize("out", ["set/run", "set/../set/train/new", None])
def test_no_run_goes_among_the_pictures(
    out: str | None, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place if out else place / "set")
    before = tree(place / "set")
    with pytest.raises(UsageError, match=r"lies under the data.*\n.*another folder"):
        lm.train("set" if out else ".", out=out, quiet=True, **QUICK)
    assert tree(place / "set") == before


def test_an_interrupted_training_keeps_what_it_learned(place: Path, tmp_path: Path) -> None:
    job = run_job(place / "set", lm.Recipe(**QUICK | {"epochs": 50}), out=tmp_path / "run")
    while next(job).stage != "train":
        pass
    with pytest.raises(KeyboardInterrupt):
        job.throw(KeyboardInterrupt())
    bundle = load_model(tmp_path / "run")
    assert bundle.predict(paint("ant", 5)).label in ("ant", "bee")
    assert bundle.facts.report == {}
    assert not (tmp_path / "run/report.json").exists()
    assert not (tmp_path / "run/crash.txt").exists()
    with pytest.raises(ModelFileError, match="run: the run is not complete"):
        lm.load_run(tmp_path / "run")


RAISING = """
from torch import nn

class Raising(nn.Sequential):
    calls = 0

    def forward(self, images):
        self.calls += self.training
        return super().forward(images) if self.calls < 6 else [][self.calls]

def make(outputs):
    return Raising(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, outputs))
"""
DEEP = """
from torch import nn

def make(outputs):
    linear = [nn.Linear(12, 64), nn.Linear(64, 64), nn.Linear(64, outputs)]
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), *linear)
"""


def test_a_fault_in_the_middle_leaves_its_traceback(place: Path, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(RAISING)
    with pytest.raises(IndexError):
        lm.train(
            place / "set", out=tmp_path / "run", quiet=True, **QUICK | {"model": f"{tmp_path}/net.py:make"}
        )
    crash = (tmp_path / "run/crash.txt").read_text()
    assert "IndexError" in crash and "net.py" in crash
    with pytest.raises(ModelFileError, match=r"run: .*not complete.*\n.*crash\.txt"):
        load_model(tmp_path / "run")


@pytest.mark.parametrize("lr", [1000, 30])
def test_a_training_that_diverges_is_told_to_lower_lr(lr: float, place: Path, tmp_path: Path) -> None:
    fields = QUICK | {"epochs": 20, "optimizer": "sgd", "lr": lr, "schedule": "constant"}
    fields["model"] = f"{tmp_path}/net.py:make"
    (tmp_path / "net.py").write_text(DEEP)
    with pytest.raises(DataError, match=r"\n.*lower lr"):
        lm.train(place / "set", out=tmp_path / "run", quiet=True, **fields)
    assert not (tmp_path / "run/report.json").exists()
    assert not (tmp_path / "run/crash.txt").exists()
    bundle = tmp_path / "run/model/bundle.json"
    assert not bundle.exists() or read_json(bundle)["report"] == {}
