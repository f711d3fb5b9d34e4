"""Bad input through the command line, in this process: what it says, and that nothing was lost over it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Ask, Done, tree
from painted import paint_folder

from lensmith.cli.main import run

_GROWS = ("runs/last", "runs/looks.jsonl")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """`photos/` with two classes of 14 pictures, which each test spoils in its own way."""
    return paint_folder(tmp_path / "photos", ant=14, bee=14)


@pytest.fixture
def going(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Ask]:
    """Run one command line in `tmp_path`; it may go on with what is there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "dumb")
    before_us = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}

    def ask(*words: str | Path) -> Done:
        capfd.readouterr()
        code = run([str(word) for word in words])
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        return Done(code, said.out, said.err)

    yield ask
    for name, before in before_us.items():
        signal.signal(name, before)


@pytest.fixture
def ask(going: Ask, tmp_path: Path) -> Ask:
    """The same. Each file that was there has to be there afterwards, unchanged."""

    def ask(*words: str | Path) -> Done:
        before = tree(tmp_path)
        done = going(*words)
        after = tree(tmp_path)
        assert [name for name in before if name not in _GROWS and after.get(name) != before[name]] == []
        assert tree(tmp_path / "photos") == {
            name.removeprefix("photos/"): digest
            for name, digest in before.items()
            if name.startswith("photos/")
        }
        return done

    return ask
