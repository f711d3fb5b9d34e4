"""Whatever is exported is run by a process of its own first; what answers otherwise leaves nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import COMMAND, Done, command, environment, python_without, tree
from drawn import draw
from PIL import Image
from small_nets import scene

from lensmith.bundle import storage
from lensmith.bundle.bundle import Bundle, load_model
from lensmith.cli.main import run as run_command
from lensmith.errors import AnswerIsNo, ModelFileError
from lensmith.exports import program, resize
from lensmith.exports.export import export
from lensmith.models.build import build
from lensmith.pictures.preprocess import Preprocess

PROGRAM = """
import importlib.util, json, pathlib, sys
import numpy as np, torch
from PIL import Image

assert not any(importlib.util.find_spec(name) for name in ("lensmith", "onnx", "onnxruntime"))
def outputs_of(net, pixels):
    found = net(pixels)
    return found if isinstance(found, tuple) else (found,)

facts = {"lensmith.json": ""}
net, found = torch.export.load(sys.argv[1], extra_files=facts).module(), {}
for file in sys.argv[2:]:
    pixels = torch.from_numpy(np.array(Image.open(file))[None])
    found[file] = [one[0].tolist() for one in outputs_of(net, pixels)]
    several = outputs_of(net, torch.cat([pixels, 255 - pixels, pixels]))[0]
    assert several.shape[0] == 3 and torch.allclose(several[0], several[2])
print(json.dumps([json.loads(facts["lensmith.json"]), found]))
"""


@pytest.mark.parametrize(
    ("fit", "task"), [("crop", "classification"), ("pad", "multilabel"), ("squish", "regression")]
)
def test_a_program_runs_where_torch_is_and_nothing_of_ours(fit: Any, task: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    classes = [] if task == "regression" else ["a", "b", "c"]
    net = build("tutorial_net", max(1, len(classes)), 32)
    bundle = Bundle(net, preprocess=Preprocess(32, fit=fit), classes=classes, task=task, name="tutorial_net")
    bundle = bundle.with_facts(temperature=0.3, threshold=0.45)
    limits = [0.5, 0.2, 0.9] if task == "multilabel" else None
    bundle = bundle.with_facts(label_thresholds=limits)
    files = []
    for height, width in [(32, 32), (40, 31), (90, 20), (300, 420)]:
        files.append(tmp_path / f"{height}x{width}.png")
        Image.fromarray(scene(height, width)).save(files[-1])
    parity = export(bundle, tmp_path / "a.pt2", files)
    assert parity.count == 4 and parity.largest < 0.002
    python, variables = python_without(tmp_path / "without", "lensmith", "onnx", "onnxruntime")
    words = [*python, "-W", "ignore", "-c", PROGRAM, str(tmp_path / "a.pt2"), *map(str, files)]
    done = subprocess.run(words, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    facts, found = json.loads(done.stdout)
    names = {"classes": classes, "task": task, "sha256": bundle.sha256}
    assert facts == names | {"threshold": 0.45, "label_thresholds": limits}
    for file in files:
        source = bundle.predict(file)
        if task == "regression":
            assert found[str(file)] == [pytest.approx(source.value, abs=0.002)]
        else:
            chances, sure = found[str(file)]
            assert dict(zip(classes, chances, strict=True)) == pytest.approx(dict(source.top), abs=0.002)
            assert sure == source.sure


def test_a_program_needs_the_network_itself(smooth: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="does not say where torch finds its network"):
        export(smooth, tmp_path / "a.pt2")
    assert not list(tmp_path.iterdir())


def coarse_onnx(patch: pytest.MonkeyPatch) -> None:
    """Small and large pictures by their nearest pixels, as an export would that knows no antialiasing."""
    from lensmith.exports.pillow_resize import nearest_resize

    patch.setattr(
        resize, "_resized", lambda make, _, images, full, inner: nearest_resize(make, images, full, inner[:2])
    )


def coarse_program(patch: pytest.MonkeyPatch) -> None:
    whole = program._resized
    patch.setattr(
        program, "_resized", lambda planes, rows, columns, _: whole(planes, rows, columns, "nearest")
    )


def other_bundle(patch: pytest.MonkeyPatch) -> None:
    """A bundle that says another temperature than the one that was given."""
    whole = storage.BundleFacts.as_dict
    patch.setattr(storage.BundleFacts, "as_dict", lambda facts: {**whole(facts), "temperature": 0.2})


@pytest.mark.fault(42)
@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("a.onnx", coarse_onnx),
        ("a.pt2", coarse_program),
        ("a.lens", other_bundle),
        ("models", coarse_onnx),
    ],
)
def test_a_broken_resize_is_refused_on_the_command_line(
    name: str,
    spoil: Any,
    trained_digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Run in this process, where a part can be spoiled; asked is the file by the real other process."""
    (tmp_path / "shown").mkdir()
    for number in range(3):
        Image.fromarray(scene(90 + number, 70, number)).save(tmp_path / f"shown/{number}.png")
    monkeypatch.chdir(tmp_path)
    spoil(monkeypatch)
    before, handler = tree(tmp_path), signal.getsignal(signal.SIGTERM)
    words = ["--triton", name] if name == "models" else ["-o", f"deep/{name}"]
    code = run_command(["export", str(trained_digits / "runs/digits-001"), *words, "--check", "shown"])
    signal.signal(signal.SIGTERM, handler)
    said = Done(code, *capfd.readouterr())
    said.refused(1, "differs from its source by", "shown/", "and the source says", "Nothing was written")
    assert tree(tmp_path) == before


def test_a_file_that_cannot_even_be_opened_is_told(
    smooth: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lensmith.exports.assembly.onnx_file", lambda *parts: b"no model")
    with pytest.raises(AnswerIsNo, match=r"cannot be run \(.*INVALID_PROTOBUF|cannot be run \(.*[Pp]rotobuf"):
        export(smooth, tmp_path / "a.onnx", [scene(24, 32)] * 50)
    assert not list(tmp_path.iterdir())


def begun(place: Path, words: list[str], pattern: str) -> subprocess.Popen[bytes]:
    """An export that has written and now waits for the other process."""
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=place, env=environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    for _ in range(3000):
        if any(file.stat().st_size for file in place.glob(pattern) if file.is_file()):
            return process
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise AssertionError("it ended, or never began to write")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_an_export_that_is_stopped_leaves_no_file_of_that_name(
    number: int, code: int, trained_digits: Path, tmp_path: Path
) -> None:
    run, many = str(trained_digits / "runs/digits-001"), tmp_path / "many"
    many.mkdir()
    large = draw(tmp_path / "large.png", size=(900, 1100))  # a hundred of them take seconds to check
    for name in range(100):
        (many / f"{name}.png").symlink_to(large)
    tmp_path = tmp_path / "work"
    tmp_path.mkdir()
    (tmp_path / "a.onnx").write_bytes(b"the one from last week")
    process = begun(tmp_path, ["export", run, "-o", "a.onnx", "--check", str(many)], ".a.onnx.*.part")
    process.send_signal(number)
    assert process.wait(60) == code
    assert (tmp_path / "a.onnx").read_bytes() == b"the one from last week"
    if number != signal.SIGKILL:
        assert [file.name for file in tmp_path.iterdir()] == ["a.onnx"]
    else:  # what a killed process leaves stands in nobody's way
        assert command("export", run, "-o", "a.onnx", cwd=tmp_path).code == 0
        assert np.frombuffer((tmp_path / "a.onnx").read_bytes(), np.uint8).size > 1000


def test_where_no_pictures_are_at_hand_some_are_drawn_and_that_is_said(
    trained_digits: Path, tmp_path: Path
) -> None:
    bundle = load_model(trained_digits / "runs/digits-001")
    bundle.save(tmp_path / "net.lens")
    done = command("export", "net.lens", "-o", "net.onnx", cwd=tmp_path)
    assert done.code == 0 and "drawn pictures" in done.err and "--check DIR" in done.err
    done = command("export", "net.lens", cwd=tmp_path)
    done.refused(2, "nothing says where to write", "--triton DIR")
