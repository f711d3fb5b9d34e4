"""docs/bundle.md is the format: its tables name the fields there are, and the reader on it answers as lensmith."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import encoded
from foreign_bundles import changed
from PIL import Image
from small_nets import scene, smooth_net

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.bundle.facts import FACTS, GRAPH, NEIGHBOURS, WEIGHTS, BundleFacts
from lensmith.features.neighbours import Neighbours, find_neighbours
from lensmith.pictures.preprocess import Preprocess
from lensmith.types import Prediction

PAGE = (Path(__file__).parents[2] / "docs/bundle.md").read_text(encoding="utf-8")
(SOURCE,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
WITHOUT_LENSMITH = {"hashlib", "json", "pathlib", "zipfile", "numpy", "onnxruntime", "PIL"}
SHAPES = [(24, 32), (24, 33), (25, 32), (7, 61), (61, 7), (90, 120), (12, 16), (301, 77), (33, 33)]


@pytest.fixture(scope="module")
def reader() -> dict[str, Any]:
    """The functions on the page, without its last line, which asks a run."""
    names: dict[str, Any] = {}
    lines = SOURCE.rstrip().splitlines()
    assert lines[-1].startswith("print(answer(")
    exec("\n".join(lines[:-1]), names)
    return names


def same(found: dict[str, Any], wanted: Prediction) -> bool:
    if wanted.value is not None:
        return found == {"value": pytest.approx(wanted.value, rel=1e-5), "unlike": wanted.unlike}
    labels = list(wanted.labels) if wanted.labels is not None else [wanted.label]
    shared = {name: found["top"][name] for name, _ in wanted.top}
    assert shared == pytest.approx(dict(wanted.top), abs=1e-6)
    marks = (found["sure"], found["unlike"]) == (wanted.sure, wanted.unlike)
    return sorted(found["labels"]) == sorted(labels) and marks


def test_the_reader_knows_nothing_of_lensmith() -> None:
    tree = ast.parse(SOURCE)
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= WITHOUT_LENSMITH


def one_pass(values: Any, after: int, name: str) -> Any:
    """The page's words as numbers: along the first axis, float64 [before, ...] -> [after, ...]."""
    before = len(values)
    s = before / after
    t = max(s, 1.0)
    k, i = np.arange(after)[:, None], np.arange(before)[None]
    c, r = (k + 0.5) * s, {"bilinear": 1, "bicubic": 2, "lanczos": 3}[name] * t
    x = (i - c + 0.5) * (1 / t)
    far = np.abs(x)
    cubic = np.where(far < 2, -0.5 * (((far - 5) * far + 8) * far - 4), 0)
    weights = {
        "bilinear": np.maximum(1 - far, 0),
        "bicubic": np.where(far < 1, (1.5 * far - 2.5) * far * far + 1, cubic),
        "lanczos": np.where((x >= -3) & (x < 3), np.sinc(x) * np.sinc(x / 3), 0),
    }[name]
    weights = np.where((i >= np.floor(c - r + 0.5)) & (i < np.floor(c + r + 0.5)), weights, 0)
    weights = weights / weights.sum(1, keepdims=True) * 2**22
    weights = np.sign(weights) * np.floor(np.abs(weights) + 0.5)
    return np.clip(np.floor(np.tensordot(weights, values, 1) / 2**22 + 0.5), 0, 255)


def resampled(pixels: Any, size: tuple[int, int], name: str) -> Any:
    (h, w), (a, b) = pixels.shape[:2], size
    if name == "nearest":
        for axis, (n, m) in enumerate(((h, a), (w, b))):
            places = np.cumsum([n / m / 2, *[n / m] * (m - 1)])
            pixels = pixels.take(np.minimum(np.floor(places).astype(int), n - 1), axis)
        return pixels
    passes = [(1, b), (0, a)]
    for axis, after in reversed(passes) if h > a and h - a > 2 * (w - b) else passes:
        if pixels.shape[axis] != after:
            pixels = np.moveaxis(one_pass(np.moveaxis(pixels, axis, 0).astype(float), after, name), 0, axis)
    return pixels


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_resampling_is_written_down_to_the_pixel(name: str) -> None:
    for number, (h, w) in enumerate([(24, 33), (90, 120), (301, 40), (12, 16), (7, 200), (64, 64)]):
        for size in ((24, 32), (60, 31), (h, 50), (7, w)):
            pixels = scene(h, w, number)
            wanted = Image.fromarray(pixels).resize(size[::-1], Image.Resampling[name.upper()])
            assert (resampled(pixels, size, name) == np.asarray(wanted)).all(), (h, w, size)


@pytest.mark.parametrize(
    "way",
    [
        {},
        {"fit": "pad", "fill": (10, 200, 90)},
        {"fit": "squish", "interpolation": "bicubic"},
        {"resize": 41, "interpolation": "bicubic"},
        {"resize": 27},
        {"resize": 12, "interpolation": "lanczos"},
        {"interpolation": "nearest"},
        {"fit": "pad", "interpolation": "nearest"},
    ],
    ids=str,
)
def test_a_picture_is_prepared_to_the_pixel(way: dict[str, Any], smooth: Bundle, reader: Any) -> None:
    preprocess = Preprocess((24, 32), **way)
    for number, shape in enumerate(SHAPES):
        pixels = scene(*shape, number)
        found = reader["prepare"](Image.fromarray(pixels), preprocess.as_dict())
        assert (found == preprocess(pixels)).all(), shape


def some_neighbours(bundle: Bundle, limit: float = 0.6) -> Neighbours:
    """Of noise, with a limit that other pictures lie on either side of."""
    features = bundle.features(np.random.default_rng(0).integers(0, 256, (60, 24, 32, 3), np.uint8))
    assert features is not None
    found = find_neighbours(features)
    assert found is not None
    return dataclasses.replace(found, limit=limit)


def test_the_reader_answers_as_lensmith(smooth: Bundle, reader: Any, tmp_path: Path) -> None:
    """Folder and file, three tasks, any temperature and threshold, grey and turned pictures."""
    number = Bundle(smooth_net(1), preprocess=Preprocess((24, 32)), classes=[], task="regression")
    bundles = {
        "plain": smooth,
        "warm": smooth.with_facts(temperature=1.7, threshold=0.4),
        "labels": smooth.with_facts(task="multilabel", threshold=0.6),
        "thresholds": smooth.with_facts(
            task="multilabel", threshold=0.4, label_thresholds=[0.4, 0.45, 0.52, 0.6]
        ),
        "squished": smooth.with_facts(preprocess=dataclasses.replace(smooth.preprocess, fit="squish")),
        "number": number,
        "with neighbours": smooth.with_neighbours(some_neighbours(smooth)),
    }
    turned = Image.Exif()
    turned[0x0112] = 6
    colour = scene(40, 90, 7)
    pictures = [
        encoded(colour, "JPEG", exif=turned),
        encoded(colour[:, :, 0], "PNG"),
        encoded(scene(300, 200)),
        encoded(scene(5, 9), "JPEG"),
    ]
    for name, bundle in bundles.items():
        for place in (tmp_path / name, tmp_path / f"{name}.lens"):
            bundle.save(place)
            facts, _ = reader["read"](str(place))
            assert reader["identity"](facts) == bundle.sha256 == load_model(place).sha256
            for picture in pictures:
                (tmp_path / "picture").write_bytes(picture)
                with Image.open(tmp_path / "picture") as image:
                    answer = reader["answer"](str(place), image)
                assert same(answer, bundle.predict(picture)), (name, picture[:4])


def test_what_is_left_out_or_spelled_otherwise_is_the_same_bundle(
    smooth: Bundle, reader: Any, tmp_path: Path
) -> None:
    folder = smooth.save(tmp_path / "model")
    files = json.loads((folder / FACTS).read_bytes())["files"]
    least = {"format": 1, "classes": smooth.classes, "preprocess": {"size": [24, 32]}, "files": files}
    more = {"temperature": 1, "threshold": 0.5, "preprocess": {"size": [24, 32], "std": [5e-1, 0.50, 0.5]}}
    for facts in (least, least | more):
        (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
        assert load_model(folder).sha256 == smooth.sha256
        assert reader["identity"](reader["read"](str(folder))[0]) == smooth.sha256


def test_names_beyond_ascii_have_one_identity(smooth: Bundle, reader: Any, tmp_path: Path) -> None:
    odd = smooth.with_facts(classes=["é", "𝄞", "a\nb", '"'])
    assert reader["identity"](reader["read"](str(odd.save(tmp_path / "odd.lens")))[0]) == odd.sha256


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"tomorrow": 1}, {"preprocess": {"size": [24, 32], "gamma": 2}}],
    ids=str,
)
def test_what_the_page_says_to_refuse_is_refused(
    change: dict[str, Any], smooth: Bundle, reader: Any, tmp_path: Path
) -> None:
    folder = smooth.save(tmp_path / "model")
    changed(folder, lambda facts: facts.update(change))
    with pytest.raises(AssertionError):
        reader["read"](str(folder))
    with pytest.raises(Exception, match=str(folder)):
        load_model(folder)


def test_what_is_not_known_in_free_fields_is_no_fault(smooth: Bundle, tmp_path: Path) -> None:
    folder = smooth.save(tmp_path / "model")
    changed(folder, lambda facts: facts.update(provenance={"moon": 1}, report={"of": ["tomorrow"]}))
    assert load_model(folder).sha256 == smooth.sha256
    assert "Bundle(" in repr(load_model(folder))


def table_under(heading: str) -> dict[str, str]:
    """The first table under a heading: first column -> third."""
    _, _, below = PAGE.partition(f"\n## {heading}\n")
    lines = iter(below.splitlines())
    rows: dict[str, str] = {}
    for line in lines:
        if line.startswith("| `"):
            cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
            rows[cells[0]] = cells[2]
        elif rows:
            break
    return rows


@pytest.mark.parametrize(("heading", "kind"), [("bundle.json", BundleFacts), ("Preprocess", Preprocess)])
def test_the_tables_name_the_fields_and_defaults_there_are(heading: str, kind: Any) -> None:
    wanted: dict[str, str] = {}
    for field in dataclasses.fields(kind):
        value = field.default
        if field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        wanted[field.name] = "required" if value is dataclasses.MISSING else json.dumps(value)
    if kind is BundleFacts:
        wanted |= {"format": "required", "files": "required", "unlike_above": "null"}
    found = table_under(heading)
    assert found == wanted


def test_the_files_are_those_of_the_page(smooth: Bundle, tmp_path: Path) -> None:
    names = set(re.findall(r"^\| `([\w.]+)` \|", PAGE.partition("## bundle.json")[0], re.MULTILINE))
    whole = smooth.with_neighbours(some_neighbours(smooth)).save(tmp_path / "m")
    assert names == {FACTS, WEIGHTS, GRAPH, NEIGHBOURS} == {file.name for file in whole.iterdir()}
