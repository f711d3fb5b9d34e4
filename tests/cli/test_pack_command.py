"""`lensmith pack` as a process: what it says, what it takes for names, and that a hostile file runs nothing."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch
from command_line import Done, command
from torch import nn

from lensmith.bundle.bundle import load_model
from lensmith.cli.class_names import names_from
from lensmith.cli.main import run
from lensmith.errors import UsageError

NET = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self):
        layers = nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(196, 3)
        super().__init__(*layers)
"""


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(196, 3))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    torch.save(layers().state_dict(), tmp_path / "net.pth")
    (tmp_path / "names.txt").write_text("cat\n\n dog \nhen\n", encoding="utf-8")
    return tmp_path


WORDS = ("--model", "net.py:Net", "--classes", "names.txt", "--size", "16")


def test_it_says_what_it_took_and_from_where(place: Path) -> None:
    done = command("pack", "net.pth", *WORDS, "--licence", "MIT", "-o", "net.lens", cwd=place)
    assert done.code == 0 and done.out == "", done
    assert "3 classes" in done.err and "licence MIT" in done.err
    assert "as in most tutorials" in done.err and "size=(16, 16)" in done.err and "0.485" in done.err
    bundle = load_model(place / "net.lens")
    assert bundle.classes == ["cat", "dog", "hen"]
    made = bundle.describe()["provenance"]
    assert made["made_by"] == "pack" and made["network"] == "net.py:Net"
    assert made["weights"]["file"] == "net.pth" and made["weights"]["licence"] == "MIT"
    assert {"lensmith", "torch"} <= set(made["packages"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--model", "net.py:Net", "--size", "16"), 2, "--classes cat,dog"),
        (("--model", "net.py:Net", "--classes", "a,b", "--size", "16"), 2, "3 outputs and 2 class names"),
        (("--model", "tutorial_net", "--classes", "a,b,c"), 5, "not weights of this network"),
        (("--model", "net.py:Net", "--classes", "a,b,a", "--size", "16"), 2, "two outputs are called 'a'"),
        (("--model", "net.py:Net", "--classes", "none.txt"), 2, "there is no such file"),
        (("--model", "resnet", "--classes", "a,b"), 2, "no model is called 'resnet'"),
        (("--model", "resnet18", "--classes", "a,b", "--size", "99999"), 2, "sizes end at"),
    ],
    ids=str,
)
def test_what_cannot_be(
    words: tuple[str, ...],
    code: int,
    said: str,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(place)
    before = signal.getsignal(signal.SIGTERM)
    found = run(["pack", "net.pth", *words, "-o", "net.lens"])
    signal.signal(signal.SIGTERM, before)
    shown = capfd.readouterr()
    Done(found, shown.out, shown.err).refused(code, said)
    assert not (place / "net.lens").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "cat\ndog\n"),
        ("a.TXT", "\ufeffcat\r\ndog\r\n"),
        ("a", "cat\ndog"),
        ("a.json", '["cat", "dog"]'),
        ("a.json", '{"cat": 0, "dog": 1}'),
        ("a.json", '{"1": "dog", "0": "cat"}'),
        ("a.json", '{"0": ["n01", "cat"], "1": ["n02", "dog"]}'),
        ("a.csv", "cat\ndog\n"),
        ("a.csv", "name\ncat\ndog\n"),
        ("a.csv", "index,label\n1,dog\n0,cat\n"),
        ("a.csv", '\ufeffid,Name,note\n0,cat,"x, y"\n1,dog,\n'),
    ],
    ids=str,
)
def test_names_as_people_have_them(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert names_from(str(tmp_path / name)) == ["cat", "dog"]


def test_two_classes_of_one_name_keep_their_ids(tmp_path: Path) -> None:
    """As ImageNet's cranes."""
    table = {"0": ["n1", "crane"], "1": ["n2", "cat"], "2": ["n3", "crane"]}
    (tmp_path / "imagenet.json").write_text(json.dumps(table))
    assert names_from(str(tmp_path / "imagenet.json")) == ["crane n1", "cat", "crane n3"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "{", "no names can be read"),
        ("a.json", "3", "neither a list"),
        ("a.json", "[1, 2]", "neither a list"),
        ("a.json", '{"cat": 0, "dog": 2}', "not 0, 1, 2"),
        ("a.json", '{"0": "cat", "0.5": "dog"}', "no names can be read"),
        ("a.json", '{"0": ["x", 3]}', "not a name"),
        ("a.json", "[" * 99_999, "no names can be read"),
        ("a.csv", "x,y\n1,2\n", "several columns"),
        ("a.csv", "index,name\n0,cat\n0,dog\n", "not 0, 1, 2"),
        ("a.csv", "index,name\n0\n", "different lengths"),
        ("a.txt", b"\xff\xfe\x00", "no names can be read"),
    ],
    ids=str,
)
def test_names_that_cannot_be_read(name: str, content: str | bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UsageError, match=said):
        names_from(str(tmp_path / name))
