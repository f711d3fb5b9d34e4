"""Bundles that somebody made to mislead: each is refused by its name, and nothing outside of it is read."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from foreign_bundles import changed, members, refused, zipped
from onnx import TensorProto, helper, numpy_helper
from small_nets import scene

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.bundle.engines import onnx_engine
from lensmith.bundle.facts import FACTS, GRAPH, MOST_FACTS, WEIGHTS, digests
from lensmith.bundle.pointers import _EXTERNAL, _WHERE
from lensmith.errors import ModelFileError, UsageError
from lensmith.exports.export import export


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", "-0.0", "1" * 5000])
def test_numbers_that_are_none_are_refused(word: str, folder: Path) -> None:
    """Python's own reader of JSON takes all of them."""
    whole = (folder / FACTS).read_text(encoding="utf-8")
    for before in ('"temperature": 1.0', "0.485"):
        assert before in whole
        after = before.replace("1.0", word).replace("0.485", word)
        (folder / FACTS).write_text(whole.replace(before, after), encoding="utf-8")
        if (word, before) != ("-0.0", "0.485"):
            refused(folder)
    (folder / FACTS).write_text(whole.replace('"report": {}', '"report": {"x": 1e999}'), encoding="utf-8")
    refused(folder, "beyond a double")


def test_a_key_that_stands_twice_is_refused(folder: Path) -> None:
    """Readers take the first, or the last."""
    whole = (folder / FACTS).read_text(encoding="utf-8")
    (folder / FACTS).write_text(whole.replace('"task"', '"temperature": 2.0, "task"'), encoding="utf-8")
    refused(folder, "'temperature' twice")


def test_facts_without_end_are_not_read(folder: Path, file: Path) -> None:
    endless = b'{"format": 1, "classes": ["' + b"a" * MOST_FACTS
    (folder / FACTS).write_bytes(endless)
    refused(folder, "more than 64 MiB")
    zipped(file, {**members(file), FACTS: endless})
    refused(file, "more than 64 MiB")


def test_a_zip_with_a_name_twice_is_refused(file: Path) -> None:
    """Readers of zips take the first, or the last."""
    contents = members(file)
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (*contents, GRAPH):
            archive.writestr(name, contents[name])
    refused(file, f"'{GRAPH}' twice")


@pytest.mark.parametrize("claimed", [2**31 - 1, 2**32 - 2])
def test_a_member_larger_than_the_file_is_refused_unread(claimed: int, file: Path) -> None:
    content = bytearray(file.read_bytes())
    for mark, place in ((b"PK\x01\x02", 20), (b"PK\x03\x04", 18)):
        start = content.index(mark) + place
        content[start : start + 8] = struct.pack("<II", claimed, claimed)
    file.write_bytes(bytes(content))
    refused(file, "cut off")


def test_what_json_cannot_hold_is_null_or_not_written(bundle: Bundle, tmp_path: Path) -> None:
    """A figure that cannot be computed must not cost somebody their trained model."""
    for place in (tmp_path / "net.lens", tmp_path / "model"):
        bundle.with_facts(report={"accuracy": {"low": float("nan"), "all": [float("inf"), 1.5]}}).save(place)
        assert load_model(place).facts.report == {"accuracy": {"low": None, "all": [None, 1.5]}}
        with pytest.raises(UsageError, match="cannot be written as JSON"):
            bundle.with_facts(provenance={"by": object()}).save(place)
        assert load_model(place).facts.report


def test_other_spellings_of_a_number_are_one_identity(bundle: Bundle, folder: Path) -> None:
    changed(folder, lambda facts: facts.update(temperature=1, threshold=5e-1))
    assert load_model(folder).sha256 == bundle.sha256


SECRET = b"the first line of a file that is none of the bundle's" + bytes(100)
CLASSES = 4


def outside(location: str, *, offset: str = "0", length: str = str(CLASSES), **more: str) -> TensorProto:
    """A tensor that lies in another file: as many bytes of it as there are classes."""
    tensor = TensorProto(name="w", dims=[CLASSES], data_type=TensorProto.UINT8)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length), *more.items()):
        tensor.external_data.add(key=key, value=value)
    return tensor


def graph_of(nodes: list[Any], *weights: TensorProto) -> onnx.ModelProto:
    """Pixels are taken, and what `w` holds comes out as logits."""
    shape = numpy_helper.from_array(np.array([1, CLASSES], np.int64), "shape")
    nodes = [
        *nodes,
        helper.make_node("Cast", ["w"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["real", "shape"], ["logits"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 24, 32, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, CLASSES])
    graph = helper.make_graph(nodes, "g", [images], [logits], [*weights, shape])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def constant(tensor: TensorProto, output: str = "w") -> Any:
    return helper.make_node("Constant", [], [output], value=tensor)


def of_inner_graph(tensor: TensorProto) -> onnx.ModelProto:
    """The tensor is a weight of a branch of an If."""
    branch = helper.make_graph(
        [helper.make_node("Identity", ["inner"], ["out"])],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.UINT8, [CLASSES])],
        [renamed(tensor, "inner")],
    )
    yes = numpy_helper.from_array(np.array(True), "yes")
    return graph_of([helper.make_node("If", ["yes"], ["w"], then_branch=branch, else_branch=branch)], yes)


def renamed(tensor: TensorProto, name: str) -> TensorProto:
    other = TensorProto()
    other.CopyFrom(tensor)
    other.name = name
    return other


def of_function(tensor: TensorProto) -> onnx.ModelProto:
    """The tensor is a constant in a function that the graph brings."""
    model = graph_of([helper.make_node("Give", [], ["w"], domain="own")])
    default = helper.make_opsetid("", 18)
    model.functions.append(helper.make_function("own", "Give", [], ["w"], [constant(tensor)], [default]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


WAYS = {
    "initializer": lambda tensor: graph_of([], tensor),
    "constant": lambda tensor: graph_of([constant(tensor)]),
    "branch": of_inner_graph,
    "function": of_function,
}


def with_graph(folder: Path, graph: bytes) -> None:
    """The bundle with another graph, its digest right."""
    (folder / GRAPH).write_bytes(graph)
    changed(folder, lambda facts: facts["files"].update(digests({GRAPH: graph})))


@pytest.fixture
def victim(smooth: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of four classes, a secret beside it, one in the working folder, one above."""
    folder = smooth.save(tmp_path / "deep/model")
    (tmp_path / "deep/work").mkdir()
    for place in ("deep/model/secret", "deep/work/secret", "deep/secret", f"deep/work/{WEIGHTS}"):
        (tmp_path / place).write_bytes(SECRET)
    monkeypatch.chdir(tmp_path / "deep/work")
    return folder


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "location", ["secret", "./secret", "../secret", "{folder}/secret", "/etc/passwd", ""]
)
def test_no_file_is_read_that_the_graph_names(way: str, location: str, victim: Path) -> None:
    word = location.format(folder=victim)
    with_graph(victim, WAYS[way](outside(word)).SerializeToString())
    refused(victim, "outside of the bundle's weights")


def test_onnx_runtime_alone_would_read_it(victim: Path) -> None:
    """Else the tests above proved nothing."""
    import onnxruntime

    session = onnxruntime.InferenceSession(WAYS["constant"](outside("secret")).SerializeToString())
    images = np.zeros((1, 24, 32, 3), np.uint8)
    assert session.run(None, {"images": images})[0].tolist() == [list(SECRET[:CLASSES])]


@pytest.mark.parametrize("way", ["constant", "branch", "function"])
def test_the_name_of_the_weights_stands_for_no_file_on_disk(way: str, victim: Path) -> None:
    """ONNX Runtime takes only the weights of the main graph from memory, others from the working folder."""
    with_graph(victim, WAYS[way](outside(WEIGHTS)).SerializeToString())
    refused(victim, "outside of the bundle's weights")


@pytest.mark.parametrize(
    "place",
    [
        {"offset": "99999999"},
        {"offset": "-4"},
        {"offset": "18446744073709551612"},
        {"length": "1" * 30},
        {"offset": "٣"},
        {"prepacked_0": "x|0;4;0"},
    ],
    ids=str,
)
def test_places_that_are_not_in_the_weights(place: dict[str, str], victim: Path) -> None:
    with_graph(victim, graph_of([], outside(WEIGHTS, **place)).SerializeToString())
    refused(victim, "its graph points")


def test_a_second_location_does_not_hide_behind_the_first(victim: Path) -> None:
    for words in (("secret", WEIGHTS), (WEIGHTS, "secret")):
        tensor = outside(words[0])
        tensor.external_data.add(key="location", value=words[1])
        with_graph(victim, graph_of([], tensor).SerializeToString())
        refused(victim, "outside of the bundle's weights")
    # Twice the one message that a graph is: protobuf merges them.
    twice = graph_of([], outside("secret")).SerializeToString() + graph_of([]).SerializeToString()
    with_graph(victim, twice)
    refused(victim, "outside of the bundle's weights")


def test_a_place_within_the_weights_is_read(victim: Path) -> None:
    weights = (victim / WEIGHTS).read_bytes()
    with_graph(victim, graph_of([], outside(WEIGHTS, offset="9")).SerializeToString())
    logits = load_model(victim).logits(np.zeros((1, 24, 32, 3), np.uint8))
    assert logits.tolist() == [list(weights[9 : 9 + CLASSES])]


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x3a\x7f", b"\x0b" * 9, b"hello"], ids=str)
def test_a_graph_that_is_none(content: bytes, victim: Path) -> None:
    with_graph(victim, content)
    try:
        load_model(victim).predict(scene(24, 32))
    except Exception as error:
        assert type(error).__name__ == "ModelFileError", error
    else:
        raise AssertionError("it answered")


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("RunShell", ["images"], ["w"], domain="custom", command="touch x"),
        helper.make_node("EPContext", ["images"], ["w"], domain="com.microsoft", ep_cache_context="secret"),
    ],
    ids=["custom", "context"],
)
def test_operators_that_nobody_knows_are_told(node: Any, victim: Path) -> None:
    model = graph_of([node])
    model.opset_import.append(helper.make_opsetid(node.domain, 1))
    with_graph(victim, model.SerializeToString())
    with pytest.raises(Exception, match="cannot load the graph") as caught:
        load_model(victim).predict(scene(24, 32))
    assert type(caught.value).__name__ == "ModelFileError"


def test_the_other_format_of_onnx_runtime_is_refused(victim: Path) -> None:
    """It is told by content, and would pass by the look at the graph if that were all."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(victim.parent / "x.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    weight = numpy_helper.from_array(np.arange(CLASSES, dtype=np.uint8), "w")
    onnxruntime.InferenceSession(graph_of([], weight).SerializeToString(), options)
    content = (victim.parent / "x.ort").read_bytes()
    assert content[4:8] == b"ORTM" and onnxruntime.InferenceSession(content)
    with pytest.raises(ModelFileError, match="cannot load the graph"):
        onnx_engine(content, b"")
    with_graph(victim, content)
    refused(victim)


def test_an_export_of_a_damaged_graph_is_refused(victim: Path) -> None:
    """The runtime may take what onnx does not, and the other way round."""
    other = graph_of([], outside(WEIGHTS, offset="0"))
    other.graph.input[0].name = other.graph.node[0].name = "pictures"
    for content in (b"\x3a\x02\x08\x01", b"", other.SerializeToString()):
        with_graph(victim, content)
        with pytest.raises(ModelFileError, match="graph"):
            export(load_model(victim), victim.parent / "x.onnx", [scene(24, 32)])
        assert not (victim.parent / "x.onnx").exists()


def test_all_ways_of_onnx_to_a_tensor_are_known() -> None:
    """By onnx's own description of its format: where it grows, this says so."""
    kinds = {
        "ModelProto": ["model"],
        "GraphProto": ["graph", "inner graph"],
        "TrainingInfoProto": ["training"],
        "FunctionProto": ["function"],
        "NodeProto": ["node"],
        "AttributeProto": ["attribute"],
        "SparseTensorProto": ["sparse"],
        "TensorProto": ["weight", "tensor"],
    }
    for name, ours in kinds.items():
        fields = getattr(onnx, name).DESCRIPTOR.fields
        leading = {field.number: field.message_type.name for field in fields if field.message_type}
        leading = {number: to for number, to in leading.items() if to in kinds}
        for kind in ours:
            assert {n: to for n, to in leading.items() if _WHERE[kind].get(n) not in kinds[to]} == {}, kind
            assert set(_WHERE[kind]) == set(leading), kind
    assert TensorProto.DESCRIPTOR.fields_by_name["external_data"].number == _EXTERNAL
    reached = {to for kind in _WHERE for to in _WHERE[kind].values()} | {"model"}
    assert reached == set(_WHERE)


def test_the_look_at_the_graph_needs_no_onnx(victim: Path) -> None:
    """Whoever serves has ONNX Runtime and no onnx."""
    with_graph(victim, WAYS["constant"](outside("secret")).SerializeToString())
    program = "import sys; sys.modules['onnx'] = None; from lensmith.bundle.bundle import load_model; "
    done = subprocess.run(
        [sys.executable, "-c", program + f"load_model({str(victim)!r})"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ModelFileError" in done.stderr and "outside of the bundle" in done.stderr, done.stderr
