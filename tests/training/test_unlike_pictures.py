"""A trained model marks what is unlike its pictures, wherever it is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import command
from painted import paint, paint_folder
from PIL import Image

import lensmith as lm
from lensmith.bundle.bundle import load_model
from lensmith.errors import ModelFileError

QUICK: dict[str, Any] = {"model": "convnet", "image_size": 16, "epochs": 4, "batch_size": 16, "device": "cpu"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> lm.Run:
    place = tmp_path_factory.mktemp("unlike")
    paint_folder(place / "set", ant=150, bee=150)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        run = lm.train("set", quiet=True, choice_fraction=0.4, **QUICK)
        return lm.load_run(run.path.absolute())


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """Stripes, where the model knows plain colours."""
    stripes = np.zeros((20, 20, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 255)
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    return tmp_path / "stripes.png"


def test_the_bundle_keeps_neighbours_and_marks_by_them(run: lm.Run, strange: Path) -> None:
    assert "neighbours.safetensors" in run.bundle.facts.files
    known = run.bundle.predict([paint(name, 900 + n) for name in ("ant", "bee") for n in range(20)])
    assert sum(one.unlike for one in known) <= 2
    said = run.bundle.predict(strange)
    assert said.unlike and not said.sure
    assert "unlike the training pictures" in str(said)


def test_the_command_and_the_export_say_the_same(run: lm.Run, strange: Path, tmp_path: Path) -> None:
    done = command("predict", run.path, strange, "--json", cwd=tmp_path)
    said = json.loads(done.out)
    assert said["unlike"] is True and said["sure"] is False
    run.export(tmp_path / "one.onnx", [strange, paint("ant", 901)])
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "one.onnx")
    for picture in (strange, tmp_path / "ant.png"):
        if picture != strange:
            paint("ant", 901).save(picture)
        pixels = np.asarray(Image.open(picture).convert("RGB"))[None]
        (sure,) = session.run(["sure"], {"images": pixels})
        assert bool(sure[0]) == run.bundle.predict(picture).sure


def test_a_damaged_file_of_neighbours_is_refused(run: lm.Run, tmp_path: Path) -> None:
    run.bundle.save(tmp_path / "model")
    file = tmp_path / "model/neighbours.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelFileError, match="neighbours"):
        load_model(tmp_path / "model")


def test_without_pictures_to_set_a_limit_by_nothing_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strange: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    paint_folder(tmp_path / "set", ant=30, bee=30)
    run = lm.train("set", quiet=True, **QUICK)
    assert "neighbours.safetensors" not in run.bundle.facts.files
    assert not run.predict(strange).unlike
