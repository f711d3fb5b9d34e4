"""Errors as the installed libraries raise them today are known: a library that rewords one is noticed.

What can fail on any machine is made to fail here; of the rest the words are looked for in the library's files.
"""

from __future__ import annotations

import argparse
import importlib
import io
import mmap
import multiprocessing
import os
import shutil
import subprocess
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from machines import READY
from packaging.version import Version

from lensmith.diagnosis.messages import Row, explain_message, read_messages

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")
SITE = Path(sysconfig.get_path("purelib"))
ROWS = {row.name: row for row in read_messages()}
WITH_WORDS = [(row, found) for row in ROWS.values() for found in row.found_in]


def net(classes: int = 3) -> Any:
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8, classes))


def load(content: bytes) -> None:
    torch.load(io.BytesIO(content), weights_only=True)


def saved(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def picture(name: str, content: bytes, folder: Path) -> Any:
    from PIL import Image

    (folder / name).write_bytes(content)
    with Image.open(folder / name) as opened:
        return opened.convert("RGB")


def png(side: int = 64) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.effect_noise((side, side), 50).save(file, "PNG")
    return file.getvalue()


def bomb(folder: Path) -> None:
    from PIL import Image

    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, 10
    try:
        picture("large.png", png(), folder)
    finally:
        Image.MAX_IMAGE_PIXELS = most


def folders(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).mkdir()
    torchvision.datasets.ImageFolder(folder)


def backward_after_a_change() -> None:
    x = torch.ones(2, requires_grad=True)
    y = x.sigmoid()
    y += 1
    y.sum().backward()


def twice() -> None:
    loss = torch.ones(2, requires_grad=True).sigmoid().sum()
    loss.backward()
    loss.backward()


def sent_to_a_worker() -> None:
    multiprocessing.get_context("spawn").Process(target=lambda: None).start()


def parsed() -> None:
    parser = argparse.ArgumentParser(exit_on_error=True)
    parser.add_argument("--local_rank")
    parser.parse_args(["--local-rank=0"])


def attribute(module: str, name: str) -> None:
    getattr(importlib.import_module(module), name)


FAILING: dict[str, Callable[[Path], Any]] = {
    "size-mismatch": lambda _: net(3).load_state_dict(net(5).state_dict()),
    "data-parallel": lambda _: net().load_state_dict(torch.nn.DataParallel(net()).state_dict()),
    "missing-keys": lambda _: net().load_state_dict({}),
    "cut-off-file": lambda _: load(saved(net().state_dict())[:-100]),
    "weights-only": lambda _: load(saved(net())),
    "batch-of-one": lambda _: torch.nn.BatchNorm1d(4)(torch.ones(1, 4)),
    "channels": lambda _: torch.nn.Conv2d(3, 4, 3)(torch.ones(1, 4, 8, 8)),
    "mat-shapes": lambda _: net()(torch.ones(2, 9)),
    "stack-sizes": lambda _: torch.utils.data.default_collate([torch.ones(3, 4, 4), torch.ones(3, 5, 4)]),
    "target-out-of-bounds": lambda _: torch.nn.functional.cross_entropy(torch.ones(1, 3), torch.tensor([3])),
    "target-type": lambda _: torch.nn.functional.cross_entropy(torch.ones(1, 3), torch.tensor([1.0])),
    "no-grad": lambda _: torch.ones(1).sum().backward(),
    "second-backward": lambda _: twice(),
    "inplace": lambda _: backward_after_a_change(),
    "input-and-weight": lambda _: torch.nn.Conv2d(3, 4, 3)(torch.ones(1, 3, 8, 8).double()),
    "torch-six": lambda _: importlib.import_module("torch._six"),
    "functional-tensor": lambda _: importlib.import_module("torchvision.transforms.functional_tensor"),
    "numpy-alias": lambda _: attribute("numpy", "int"),
    "antialias": lambda _: attribute("PIL.Image", "ANTIALIAS"),
    "yaml-loader": lambda _: yaml.load("a: 1"),  # type: ignore[call-arg]
    "unidentified": lambda folder: picture("a.jpg", b"<html>", folder),
    "truncated": lambda folder: picture("a.png", png()[:-2000], folder),
    "bomb": bomb,
    "class-folders": lambda folder: folders(folder, "cats", ".ipynb_checkpoints"),
    "pickle-local": lambda _: sent_to_a_worker(),
}


@pytest.mark.parametrize("name", FAILING)
def test_an_error_raised_today_is_known(name: str, tmp_path: Path) -> None:
    text = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            FAILING[name](tmp_path)
        except Exception:
            text = traceback.format_exc()
    assert text, f"{name}: nothing was raised"
    assert explain_message(text, READY)[0].detail.startswith(f"{ROWS[name].title}. "), text


def test_a_folder_without_classes_is_known(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        folders(tmp_path)
    assert explain_message(str(raised.value), READY)[0].detail.startswith(ROWS["class-folders"].title)


def test_a_gpu_asked_for_without_a_driver_is_known() -> None:
    if torch.cuda.is_available() or torch.version.hip:
        pytest.skip("there is a GPU here")
    with pytest.raises((RuntimeError, AssertionError)) as raised:
        torch.ones(1).cuda()
    name = "no-driver" if torch.version.cuda else "cpu-build"
    assert explain_message(str(raised.value), READY)[0].detail.startswith(ROWS[name].title)


def test_a_word_that_the_launcher_adds_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed()
    assert explain_message(capsys.readouterr().err, READY)[0].detail.startswith(ROWS["local-rank"].title)


def said(*words: str, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        words,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    return done.stdout + done.stderr


MODEL = """
import sys, torch
if sys.argv[1] == "save":
    class Net(torch.nn.Module): ...
    torch.save(Net(), "net.pt")
else:
    torch.load("net.pt", weights_only=False)
"""
PROCESSES = "import multiprocessing as m\nm.get_context('spawn').Process(target=print).start()\n"


def test_a_whole_model_loaded_elsewhere_is_known(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    subprocess.run([sys.executable, "net.py", "save"], cwd=tmp_path, check=True, timeout=120)
    text = said(sys.executable, "net.py", "load", cwd=tmp_path)
    assert explain_message(text, READY)[0].detail.startswith(ROWS["pickled-class"].title), text


def test_a_script_that_starts_itself_is_known(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PROCESSES)
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    found = explain_message(done.stderr, READY)
    assert found[0].detail.startswith(ROWS["freeze-support"].title), done.stderr


@pytest.mark.parametrize(
    ("requirement", "name"), [("torch==2.1.0+cu121", "local-version"), ("torch==9.9", "no-version")]
)
def test_what_pip_says_is_known(requirement: str, name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        pytest.skip("there is no pip here")
    words = ("install", "--no-index", "--disable-pip-version-check", "--target", str(tmp_path), requirement)
    text = said(sys.executable, "-m", "pip", *words, cwd=tmp_path)
    assert explain_message(text, READY)[0].detail.startswith(ROWS[name].title), text


@pytest.mark.parametrize("shell", ["bash", "zsh", "dash"])
def test_what_a_shell_says_is_known(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    text = said(program, "-c", "conda activate x", cwd=tmp_path, PATH=str(tmp_path))
    assert explain_message(text, READY)[0].detail.startswith(ROWS["conda-not-found"].title), text


def place(file: str) -> Path:
    kind, colon, name = file.partition(":")
    return Path(sysconfig.get_path("stdlib"), name) if colon and kind == "stdlib" else SITE / file


@pytest.mark.parametrize(
    ("row", "found"), WITH_WORDS, ids=[f"{row.name}-{number}" for number, (row, _) in enumerate(WITH_WORDS)]
)
def test_the_library_still_says_so(row: Row, found: dict[str, str]) -> None:
    if found["file"].startswith("torch/") and Version(torch.__version__) < Version("2.11"):
        pytest.skip("the table holds the words of torch 2.11 and later")
    file = place(found["file"])
    if not file.exists() and file.suffix == ".so":
        pytest.skip(f"no {file.name} in this build")
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        assert content.find(found["text"].encode()) >= 0, f"{found['file']} words it otherwise now"
