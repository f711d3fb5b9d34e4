"""One ONNX file answers everywhere as the bundle does, or it is not written."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command_line import python_without, tree
from onnx import numpy_helper
from PIL import Image
from small_nets import scene, tied_net
from torch import nn

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.bundle.facts import GRAPH
from lensmith.errors import AnswerIsNo, PictureError, UsageError
from lensmith.exports.assembly import onnx_file
from lensmith.exports.export import export
from lensmith.exports.parity import compare
from lensmith.pictures.preprocess import Preprocess

ELSEWHERE = """
import importlib.util, json, pathlib, sys
import numpy as np
import onnxruntime
from PIL import Image

assert not any(importlib.util.find_spec(name) for name in ("lensmith", "torch", "onnx"))
place, found = pathlib.Path(sys.argv[1]), {}
for file in sorted(place.glob("*.onnx")):
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    shown = {value.name: [value.type, value.shape] for value in session.get_inputs() + session.get_outputs()}
    answers = {}
    for picture in sorted(place.glob("*.png")):
        pixels = np.array(Image.open(picture))[None]
        values = session.run(None, {"images": pixels})
        answers[picture.name] = [value.tolist()[0] for value in values]
        both = session.run(None, {"images": np.concatenate([pixels, 255 - pixels, pixels])})
        assert [len(value) for value in both] == [3] * len(values)
        assert np.allclose(both[0][[0, 2]], values[0][[0, 0]], atol=1e-6)
    meta = session.get_modelmeta().custom_metadata_map
    found[file.stem] = {"shown": shown, "meta": meta, "answers": answers}
print(json.dumps(found))
"""
SIZES = [(24, 32), (25, 33), (30, 41), (90, 27), (24, 70), (200, 263), (8, 11), (480, 640)]
WAYS: dict[str, dict[str, Any]] = {
    "crop": {},
    "crop-cubic": {"interpolation": "bicubic"},
    "crop-of-larger": {"resize": 41},
    "crop-of-larger-cubic": {"resize": 37, "interpolation": "bicubic"},
    "pad": {"fit": "pad", "fill": (10, 200, 90)},
    "pad-cubic": {"fit": "pad", "interpolation": "bicubic"},
    "squish": {"fit": "squish"},
    "squish-cubic": {"fit": "squish", "interpolation": "bicubic"},
    "squish-nearest": {"fit": "squish", "interpolation": "nearest"},
}


def prepared_by(bundle: Bundle, way: str) -> Bundle:
    """The same network with another preprocessing of the same size."""
    return bundle.with_facts(preprocess=dataclasses.replace(bundle.preprocess, **WAYS[way]))


@pytest.fixture(scope="module")
def elsewhere(
    bundle: Bundle, smooth: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """Exported files and pictures, and what a Python with ONNX Runtime, numpy and Pillow alone makes of them."""
    place = tmp_path_factory.mktemp("elsewhere")
    for height, width in SIZES:
        Image.fromarray(scene(height, width)).save(place / f"{height}x{width}.png")
    for way in WAYS:
        export(prepared_by(smooth, way), place / f"{way}.onnx")
    export(bundle.with_facts(temperature=1.7, threshold=0.6), place / "tied.onnx")
    python, variables = python_without(place, "lensmith", "torch", "onnx")
    done = subprocess.run(
        [*python, "-c", ELSEWHERE, str(place)], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return place, json.loads(done.stdout)


def test_the_file_keeps_its_contract(bundle: Bundle, elsewhere: tuple[Path, dict[str, Any]]) -> None:
    tied = elsewhere[1]["tied"]
    assert tied["shown"] == {
        "images": ["tensor(uint8)", ["N", "H", "W", 3]],
        "probabilities": ["tensor(float)", ["N", 3]],
        "label": ["tensor(string)", ["N"]],
        "sure": ["tensor(bool)", ["N"]],
    }
    source = bundle.with_facts(temperature=1.7, threshold=0.6)
    assert json.loads(tied["meta"]["lensmith.classes"]) == bundle.classes
    assert tied["meta"]["lensmith.task"] == "classification"
    assert tied["meta"]["lensmith.sha256"] == source.sha256 != bundle.sha256


def test_pictures_of_the_native_size_are_answered_to_the_last_digits(
    smooth: Bundle, elsewhere: tuple[Path, dict[str, Any]]
) -> None:
    """But for a crop from larger ones: those are resized all the same."""
    picture = scene(24, 32)
    for way in WAYS:
        source = prepared_by(smooth, way).predict(picture)
        probabilities, label, sure = elsewhere[1][way]["answers"]["24x32.png"]
        exact = "larger" not in way
        assert (label, sure) == (source.label, source.sure)
        found = dict(zip(smooth.classes, probabilities, strict=True))
        assert found == pytest.approx(dict(source.top), abs=1e-5 if exact else 0.005), way


@pytest.mark.parametrize("way", WAYS)
def test_pictures_of_any_size_are_answered_alike(
    way: str, smooth: Bundle, elsewhere: tuple[Path, dict[str, Any]]
) -> None:
    place, found = elsewhere
    source, labels = prepared_by(smooth, way), set()
    for height, width in SIZES:
        name = f"{height}x{width}.png"
        expected = source.predict(place / name)
        probabilities, label, _ = found[way]["answers"][name]
        assert dict(zip(source.classes, probabilities, strict=True)) == pytest.approx(
            dict(expected.top), abs=0.005
        ), name
        assert label == expected.label or expected.top[0][1] - expected.top[1][1] < 0.01
        labels.add(label)
    assert len(labels) > 1


def test_temperature_and_threshold_are_inside(bundle: Bundle, elsewhere: tuple[Path, dict[str, Any]]) -> None:
    place, found = elsewhere
    source, sure = bundle.with_facts(temperature=1.7, threshold=0.6), set()
    for name, (probabilities, label, certain) in found["tied"]["answers"].items():
        expected = source.predict(place / name)
        assert max(probabilities) == pytest.approx(expected.probability, abs=0.02)
        assert certain == (max(probabilities) >= 0.6)
        assert label in bundle.classes
        sure.add(certain)
    assert sure == {True, False}


def test_a_comparison_tells_how_near_the_two_are(smooth: Bundle, tmp_path: Path) -> None:
    pictures = [scene(24, 32), scene(60, 45), scene(300, 200)]
    parity = export(smooth, tmp_path / "a.onnx", pictures)
    assert parity.count == 3 and parity.other_labels == () and parity.close_labels == 0
    assert 0 <= parity.largest < 1e-5
    none = export(smooth, tmp_path / "b.onnx")
    assert none.drawn and not parity.drawn


def altered(content: bytes, change: Callable[[onnx.ModelProto], None]) -> bytes:
    model = onnx.load_model_from_string(content)
    change(model)
    changed: bytes = model.SerializeToString()
    assert changed != content
    return changed


def constant(model: onnx.ModelProto, name: str, value: Any) -> None:
    """Give a constant another value."""
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(
                numpy_helper.from_array(np.array(value, numpy_helper.to_array(tensor).dtype), name)
            )


def coarse(model: onnx.ModelProto) -> None:
    """Resize without looking at all pixels, as most exports do."""
    (choice,) = (node for node in model.graph.node if node.op_type == "If")
    branches = {attribute.name: attribute.g for attribute in choice.attribute}
    (resize,) = (node for node in branches["else_branch"].node if node.op_type == "Resize")
    del resize.attribute[:]
    resize.attribute.extend(
        [onnx.helper.make_attribute("axes", [1, 2]), onnx.helper.make_attribute("mode", "nearest")]
    )
    branches["then_branch"].CopyFrom(branches["else_branch"])


def halved(model: onnx.ModelProto) -> None:
    """The last layer at half its strength."""
    last = model.graph.node[-1]
    assert last.op_type == "Gemm"
    kept = [one for one in last.attribute if one.name != "alpha"]
    del last.attribute[:]
    last.attribute.extend([*kept, onnx.helper.make_attribute("alpha", 0.5)])


@pytest.mark.parametrize(
    "change",
    [
        coarse,
        lambda model: constant(model, "lensmith.temperature", 1.2),
        lambda model: constant(model, "lensmith.temperature", 0.0),
        lambda model: constant(model, "model.2.bias", [9, 0, 0, 0]),
    ],
    ids=["resize", "temperature", "not-a-number", "bias"],
)
def test_a_file_that_answers_otherwise_is_found_out(
    change: Callable[[onnx.ModelProto], None], smooth: Bundle, tmp_path: Path
) -> None:
    for number in (1, 2):
        Image.fromarray(scene(24 * number**3, 32 * number**3)).save(tmp_path / f"{number}.png")
    pictures = [tmp_path / "1.png", tmp_path / "2.png"]
    file = tmp_path / "a.onnx"
    file.write_bytes(onnx_file(smooth))
    compare(smooth, "onnx", file, pictures).insist()
    file.write_bytes(altered(onnx_file(smooth), change))
    parity = compare(smooth, "onnx", file, pictures)
    with pytest.raises(
        AnswerIsNo, match=r"differs from its source by .* on .*[12]\.png: [abcd] (.|\n)*0\.005"
    ):
        parity.insist()


@pytest.mark.fault(42)
def test_what_answers_otherwise_is_not_written(smooth: Bundle, tmp_path: Path) -> None:
    """A graph that was exchanged after the bundle had begun to answer by the right one."""
    bundle = load_model(smooth.save(tmp_path / "net.lens"))
    bundle.predict(scene(24, 32))
    bundle.files[GRAPH] = altered(bundle.files[GRAPH], halved)  # type: ignore[index]
    (tmp_path / "old.onnx").write_bytes(b"the one from last week")
    before = tree(tmp_path)
    for name in ("new.onnx", "old.onnx", "deep/new.onnx"):
        with pytest.raises(AnswerIsNo, match=r"on picture 1: (.|\n)*Nothing was written"):
            export(bundle, tmp_path / name, [scene(24, 32)])
    assert tree(tmp_path) == before


def test_pictures_that_cannot_be_read_stop_an_export(smooth: Bundle, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff and no more")
    with pytest.raises(PictureError, match=r"bad\.jpg"):
        export(smooth, tmp_path / "a.onnx", [tmp_path / "bad.jpg"])
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.parametrize("name", ["a", "a.pt", "a.onnx.gz", "a.tflite", "a.ONNX.txt"])
def test_another_suffix_is_refused_with_those_there_are(name: str, smooth: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"told by the suffix\n.*\.onnx.*\.pt2.*\.lens") as caught:
        export(smooth, tmp_path / name)
    assert name in caught.value.message
    assert not list(tmp_path.iterdir())


def test_the_suffix_lens_gives_the_bundle(smooth: Bundle, tmp_path: Path) -> None:
    assert export(smooth, tmp_path / "a.lens").largest < 1e-6
    assert load_model(tmp_path / "a.lens").sha256 == smooth.sha256


@pytest.mark.parametrize("name", ["file/a.onnx", "folder.onnx"])
def test_a_place_that_cannot_be_written_to_is_named(name: str, smooth: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(UsageError, match="cannot be written") as caught:
        export(smooth, tmp_path / name)
    assert str(tmp_path / name) in caught.value.message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.onnx"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"interpolation": "lanczos"}, "lanczos has no ONNX operator"),
        ({"resize": 20}, "smaller than the crop"),
    ],
)
def test_a_preprocessing_that_onnx_lacks_is_told(
    changes: dict[str, Any], words: str, smooth: Bundle, tmp_path: Path
) -> None:
    other = smooth.with_facts(preprocess=dataclasses.replace(smooth.preprocess, **changes))
    with pytest.raises(UsageError, match=words):
        export(other, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("task", "outputs"), [("multilabel", 3), ("regression", 1)])
def test_the_other_tasks_export_too(task: Any, outputs: int, tmp_path: Path) -> None:
    import onnxruntime

    classes = ["a", "b", "c"] if task == "multilabel" else []
    bundle = Bundle(tied_net(outputs), preprocess=Preprocess(16), classes=classes, task=task)
    pictures = [scene(16, 16, seed) for seed in range(6)]
    if task == "multilabel":  # each picture is on one side or the other of what its labels are said from
        middle = np.median(
            [[dict(one.top)[name] for name in "abc"] for one in bundle.predict(pictures)], axis=0
        )
        bundle = bundle.with_facts(label_thresholds=middle.tolist())
        certain = [one.probability for one in bundle.predict(pictures)]
        bundle = bundle.with_facts(threshold=float(np.median(certain)))
        assert len({one.labels for one in bundle.predict(pictures)}) > 2
        assert len({one.sure for one in bundle.predict(pictures)}) == 2
    parity = export(bundle, tmp_path / "a.onnx", pictures)
    assert parity.largest < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    found = session.run(None, {"images": np.stack(pictures)})
    expected = bundle.predict(pictures)
    if task == "regression":
        assert [value.name for value in session.get_outputs()] == ["value"]
        assert found[0].tolist() == pytest.approx([one.value for one in expected], abs=1e-4)
    else:
        assert [dict(zip("abc", row, strict=True)) for row in found[0].tolist()] == [
            pytest.approx(dict(one.top), abs=1e-5) for one in expected
        ]
        assert found[1].tolist() == [one.top[0][0] for one in expected]
        assert found[2].tolist() == [one.sure for one in expected]


class Rising(nn.Module):
    """Takes pictures of any size and any number; its graph names clash with those of the export."""

    def __init__(self) -> None:
        super().__init__()
        self.label = nn.Linear(3, 2)
        self.probabilities = nn.Linear(2, 2)

    def forward(self, prepared: Any) -> Any:
        logits = self.label(prepared.mean((2, 3)))
        return self.probabilities(logits).softmax(1).log()


def test_names_within_a_network_get_in_nobodys_way(tmp_path: Path) -> None:
    bundle = Bundle(Rising(), preprocess=Preprocess(16), classes=["a", "b"])
    parity = export(bundle, tmp_path / "a.onnx", [scene(16, 16), scene(16, 16, 1)])
    assert parity.largest < 1e-5
