"""A network in 8 bits: fitted to training pictures, measured on others, refused where it loses too much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from command_line import Done, command, tree
from painted import paint_folder
from small_nets import scene
from torch import nn

from lensmith.bundle.bundle import Bundle
from lensmith.data.dataset import ImageDataset
from lensmith.data.sources import load_data
from lensmith.errors import AnswerIsNo, UsageError
from lensmith.exports.calibration import Calibration, calibration_from, calibration_of_run
from lensmith.exports.export import export
from lensmith.exports.int8 import quantise
from lensmith.pictures.preprocess import Preprocess
from lensmith.runs.directory import RunDirectory
from lensmith.runs.predictions import read_predictions


def deep_net(strength: float = 1.0) -> nn.Module:
    """Four layers, of which the second may count one channel `strength` times as much as the others."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    with torch.no_grad():
        net(torch.randn(16, 3, 16, 16))
        net[3].weight[0].mul_(strength)
        net[5].weight[:, 0].div_(strength)
    return net.eval()


def bundle_of(net: nn.Module) -> Bundle:
    return Bundle(net, preprocess=Preprocess(16), classes=["a", "b", "c"])


def labelled(bundle: Bundle, count: int = 60) -> Calibration:
    """Pictures with the bundle's own answers as their labels, so that it starts from no mistake."""
    pixels = np.stack([scene(16, 16, seed) for seed in range(2 * count)])
    kept = pixels[count:]
    return Calibration(pixels[:count], kept, bundle.logits(kept).argmax(1), "drawn pictures")


def test_what_loses_little_is_written_and_asked_elsewhere(tmp_path: Path) -> None:
    bundle = bundle_of(deep_net())
    small = quantise(bundle, labelled(bundle))
    assert small.loss <= 0.01 and small.count == 60 and small.faster > 0
    pictures = [scene(16 + seed, 20, seed) for seed in range(20)]
    parity = export(bundle, tmp_path / "a.onnx", pictures, int8=small)
    assert parity.count == 20 and 0 < parity.largest < 0.2
    graph = onnx.load(tmp_path / "a.onnx").graph
    whole = {tensor.name: tensor.data_type for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    scaled = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    kinds = [whole[scaled.get(node.input[1], node.input[1])] for node in convolutions]
    assert kinds == [onnx.TensorProto.INT8] * 3
    (last,) = (node for node in graph.node if node.op_type == "Gemm")
    assert whole[last.input[1]] == onnx.TensorProto.FLOAT


def test_what_loses_too_much_is_refused() -> None:
    """One channel a hundred thousand times as large as the rest leaves 8 bits nothing for the others."""
    bundle = bundle_of(deep_net(strength=1e5))
    with pytest.raises(
        AnswerIsNo, match=r"lose \d+\.\d+ points on 60 drawn pictures(.|\n)*At most 1 "
    ) as caught:
        quantise(bundle, labelled(bundle))
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("name", ["a.pt2", "a.lens"])
def test_other_files_hold_no_8_bits(name: str, tmp_path: Path) -> None:
    bundle = bundle_of(deep_net())
    with pytest.raises(UsageError, match=r"8 bits are written as \.onnx"):
        export(bundle, tmp_path / name, int8=quantise(bundle, labelled(bundle)))
    assert not list(tmp_path.iterdir())


def taken(
    bundle: Bundle, train: ImageDataset, choice: ImageDataset | None, out: frozenset[str]
) -> Calibration:
    going = calibration_from(bundle, train, choice, out)
    while True:
        try:
            next(going)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def test_no_picture_serves_twice_and_none_that_was_held_out(tmp_path: Path) -> None:
    data = load_data(paint_folder(tmp_path / "photos", ant=12, bee=12))
    bundle = Bundle(deep_net(), preprocess=Preprocess(16), classes=["ant", "bee", "none"])
    held_out = frozenset(data.ids[::3])
    found = taken(bundle, data, None, held_out)
    rows = {pixels.tobytes() for part in (found.pixels, found.kept) for pixels in part}
    assert len(rows) == len(found.pixels) + len(found.kept) == len(data) - len(held_out)
    hidden = {bundle.preprocess(data.pixels(row)).tobytes() for row in range(0, len(data), 3)}
    assert not rows & hidden
    with_choice = taken(bundle, data, data.part(lambda example: example.target == 0), frozenset())
    assert len(with_choice.kept) == 12 and "validation" in with_choice.where


def test_a_run_knows_what_it_learned_from(trained_digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained_digits)
    from lensmith.bundle.bundle import load_model

    going = calibration_of_run(load_model("last"), "last")
    held_out = set(read_predictions(RunDirectory(trained_digits / "runs/digits-001").predictions_file).ids)
    data = load_data("digits")
    hidden = {
        load_model("last").preprocess(data.pixels(row)).tobytes()
        for row, word in enumerate(data.ids)
        if word in held_out
    }
    while True:
        try:
            next(going)
        except StopIteration as end:
            found = end.value
            break
    assert len(found.pixels) == 512 and len(found.kept) > 500 and len(hidden) > 100
    assert not {pixels.tobytes() for pixels in found.pixels} & hidden


def exported(place: Path, *words: str) -> Done:
    return command("export", *words, cwd=place)


def test_8_bits_by_the_command_line(trained_digits: Path) -> None:
    before = tree(trained_digits)
    done = exported(trained_digits, "last", "-o", "small.onnx", "--int8", "--triton", "models")
    assert done.code in (0, 1), done  # two passes over digits: what is lost, is told in either case
    if done.code:
        done.refused(1, "8 bits lose", "Nothing was written")
        assert tree(trained_digits) == before
        return
    assert "8 bits lose" in done.err and "compared with its source" in done.err
    (trained_digits / "small.onnx").unlink()
    (model,) = (trained_digits / "models").iterdir()
    assert model.name == "digits-001" and (model / "1/model.onnx").is_file()


def test_a_bundle_that_leads_to_no_pictures_asks_for_some(trained_digits: Path, tmp_path: Path) -> None:
    (tmp_path / "a.lens").write_bytes(b"")
    assert exported(trained_digits, "last", "-o", str(tmp_path / "net.lens")).code == 0
    exported(tmp_path, "net.lens", "-o", "a.onnx", "--int8").refused(2, "net.lens", "--calibrate DATA")
    exported(tmp_path, "net.lens", "-o", "a.onnx", "--calibrate", "x").refused(2, "--calibrate x", "--int8")
    exported(tmp_path, "net.lens", "-o", "a.pt2", "--int8", "--calibrate", "none").refused(3, "none")
    assert not (tmp_path / "a.onnx").exists()
