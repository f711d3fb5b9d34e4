"""Commands as a person pastes them."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest
from machines import READY

from lensmith.diagnosis.cures import install
from lensmith.diagnosis.quoting import paste


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell")
def test_a_posix_shell_reads_the_words_back() -> None:
    command = install(READY, "torch>=2.10,<2.15", "lensmith[train]", "torchvision==0.29.*", index="cu126")
    line = paste(("printf", "%s\\n", *command))
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, cwd="/")
    assert tuple(done.stdout.splitlines()) == command
    assert shlex.split(paste(command)) == list(command)


def test_windows_does_not_take_a_bound_for_a_redirection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lensmith.diagnosis.quoting.os.name", "nt")
    line = paste(("C:\\my env\\python.exe", "-m", "pip", "install", "torch>=2.10,<2.15", "lensmith[train]"))
    assert line == 'C:\\"my env"\\python.exe -m pip install "torch>=2.10,<2.15" "lensmith[train]"'


def test_a_windows_machine_looked_at_elsewhere_keeps_its_quoting() -> None:
    assert paste((".venv\\Scripts\\python.exe", "-m", "pip", "install", "torch>=2.10")) == (
        '.venv\\Scripts\\python.exe -m pip install "torch>=2.10"'
    )
    assert paste(("C:\\a b\\uv.exe", "pip")) == 'C:\\"a b"\\uv.exe pip'
