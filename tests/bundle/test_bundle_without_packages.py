"""A bundle is opened and asked where torch, or ONNX Runtime, or both are missing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import python_without
from small_nets import BRANCHING, scene

from lensmith.bundle.bundle import Bundle
from lensmith.models.build import build
from lensmith.pictures.preprocess import Preprocess

ASK = """
import importlib.util, json, sys
import numpy as np
from lensmith.bundle.bundle import load_model
from lensmith.errors import LensmithError

picture, answers = np.load(sys.argv[1]), []
for word in sys.argv[2:]:
    try:
        bundle = load_model(word)
        answers.append([bundle.sha256, dict(bundle.predict(picture).top)])
    except LensmithError as error:
        answers.append([type(error).__name__, error.message, error.hint])
there = [name for name in ("torch", "onnxruntime") if importlib.util.find_spec(name)]
print(json.dumps([there, answers]))
"""


def ask(place: Path, missing: tuple[str, ...], *words: Path) -> Any:
    """What each bundle answers on one picture in a Python that lacks packages."""
    np.save(place / "picture.npy", scene(30, 20))
    python, variables = python_without(place, *missing)
    done = subprocess.run(
        [*python, "-W", "error", "-c", ASK, str(place / "picture.npy"), *map(str, words)],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    there, answers = json.loads(done.stdout)
    assert set(there) == {"torch", "onnxruntime"} - set(missing)
    return answers


@pytest.fixture(scope="module")
def named() -> Bundle:
    """A bundle that holds a graph and knows how its network is made."""
    return Bundle(build("convnet", 2, 16), preprocess=Preprocess(16), classes=["ä", "b"], name="convnet")


def test_without_torch_it_answers_the_same(bundle: Bundle, folder: Path, file: Path, tmp_path: Path) -> None:
    (tmp_path / "branching.py").write_text(BRANCHING)
    name = f"{tmp_path}/branching.py:make"
    with pytest.warns(UserWarning, match="no ONNX graph"):
        untraced = Bundle(build(name, 2, 4), preprocess=Preprocess(4), classes=["a", "b"], name=name)
    answers = ask(tmp_path, ("torch",), folder, file, untraced.save(tmp_path / "untraced.lens"))
    expected = [bundle.sha256, dict(bundle.predict(scene(30, 20)).top)]
    assert answers[:2] == [expected, expected]
    assert answers[2][0] == "MachineError" and "torch" in answers[2][1]


def test_without_onnx_runtime_torch_answers_where_the_network_has_a_name(
    named: Bundle, file: Path, tmp_path: Path
) -> None:
    found, refused = ask(tmp_path, ("onnxruntime",), named.save(tmp_path / "named.lens"), file)
    assert found[0] == named.sha256
    assert found[1] == pytest.approx(dict(named.predict(scene(30, 20)).top), abs=1e-5)
    assert refused[0] == "MachineError"
    assert "ONNX Runtime is not installed" in refused[1] and "pip install" in refused[2]


def test_without_either_it_says_what_to_install(file: Path, tmp_path: Path) -> None:
    (answer,) = ask(tmp_path, ("torch", "onnxruntime"), file)
    assert answer[0] == "MachineError"
    assert "neither ONNX Runtime nor torch" in answer[1] and "lensmith[serve]" in answer[2]
