"""Exports mark pictures unlike the training ones as their source does, or are not written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_bundles import marking
from small_nets import scene, tied_net
from test_int8 import deep_net, labelled

from lensmith.bundle.bundle import Bundle
from lensmith.errors import AnswerIsNo
from lensmith.exports import answer_nodes, program
from lensmith.exports.export import export
from lensmith.exports.int8 import quantise
from lensmith.models.build import build
from lensmith.pictures.preprocess import Preprocess

PLAIN = [np.full((20, 20, 3), level, np.uint8) for level in (0, 128, 255)]
SCENES = [scene(24, 20, seed) for seed in range(9)]


def sure_by(file: Path) -> list[bool]:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    asked = [session.run(["sure"], {"images": picture[None]})[0] for picture in (*PLAIN, *SCENES)]
    return [bool(sure[0]) for sure in asked]


@pytest.mark.parametrize(("task", "outputs"), [("classification", 3), ("multilabel", 3), ("regression", 1)])
def test_every_task_exports_with_its_marks(task: Any, outputs: int, tmp_path: Path) -> None:
    classes = [] if task == "regression" else ["a", "b", "c"]
    bundle = marking(Bundle(tied_net(outputs), preprocess=Preprocess(16), classes=classes, task=task))
    bundle = bundle.with_facts(threshold=0.0)
    said = bundle.predict([*PLAIN, *SCENES])
    assert any(one.unlike for one in said) and not all(one.unlike for one in said)
    assert export(bundle, tmp_path / "a.onnx", [*PLAIN, *SCENES]).other_sure == ()
    if task != "regression":
        assert sure_by(tmp_path / "a.onnx") == [one.sure for one in said]
    assert export(bundle, tmp_path / "a.lens", PLAIN).other_sure == ()


@pytest.fixture(scope="module")
def tutorial() -> Bundle:
    torch.manual_seed(0)
    net = build("tutorial_net", 3, 32)
    bundle = Bundle(net, preprocess=Preprocess(32), classes=["a", "b", "c"], name="tutorial_net")
    return marking(bundle).with_facts(threshold=0.0)


@pytest.mark.filterwarnings(
    "ignore:The given buffer is not writable:UserWarning"
)  # torch 2.10, of its own loading
def test_a_program_is_sure_of_what_its_source_is_sure_of(tutorial: Bundle, tmp_path: Path) -> None:
    assert export(tutorial, tmp_path / "a.pt2", [*PLAIN, *SCENES]).other_sure == ()
    net = torch.export.load(tmp_path / "a.pt2").module()
    for picture in (*PLAIN, *SCENES):
        _, sure = net(torch.from_numpy(picture[None]))
        assert bool(sure[0]) == tutorial.predict(picture).sure


def blind_program(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(program.Whole, "_distance", lambda self, features, rank: features[:, 0] * 0)


@pytest.mark.parametrize(("name", "spoil"), [("a.pt2", blind_program), ("a.onnx", None)])
def test_a_file_that_marks_otherwise_is_not_written(
    name: str, spoil: Any, tutorial: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if spoil is None:
        whole = answer_nodes._is_near
        monkeypatch.setattr(answer_nodes, "_is_near", lambda make, near: make.op("Not", whole(make, near)))
    else:
        spoil(monkeypatch)
    with pytest.raises(AnswerIsNo, match=r"is sure of picture \d+ and its source is not"):
        export(tutorial, tmp_path / name, [*PLAIN, *SCENES])
    assert not list(tmp_path.iterdir())


def test_8_bits_mark_as_their_source_but_for_a_few(tmp_path: Path) -> None:
    bundle = marking(Bundle(deep_net(), preprocess=Preprocess(16), classes=["a", "b", "c"]))
    small = quantise(bundle, labelled(bundle))
    parity = export(bundle, tmp_path / "a.onnx", [*PLAIN, *SCENES, *SCENES], int8=small)
    assert len(parity.other_sure) <= 0.05 * parity.count
    found, said = sure_by(tmp_path / "a.onnx"), bundle.predict([*PLAIN, *SCENES])
    assert sum(one.sure != other for one, other in zip(said, found, strict=True)) <= 2
