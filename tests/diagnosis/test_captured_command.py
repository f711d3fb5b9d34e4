"""`lensmith doctor --capture` here, `--from` elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from command_line import command

OTHER = Path(__file__).parent / "captures"


def test_what_is_written_here_is_read_as_this_machine(tmp_path: Path) -> None:
    here = command("doctor", "--capture", "here.txt", "--json", cwd=tmp_path)
    assert "wrote here.txt" in here.err
    there = command("doctor", "--from", "here.txt", "--json", cwd=tmp_path)
    assert here.code == there.code
    assert json.loads(there.out)["findings"] == json.loads(here.out)["findings"]
    assert json.loads(there.out)["machine"]["torch"] == json.loads(here.out)["machine"]["torch"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    done = command("doctor", "--capture", "thesis.txt", cwd=tmp_path)
    assert done.code == 2
    assert "thesis.txt cannot be written" in done.err
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "gone.txt"), "gone.txt cannot be read"),
        (("--from", "."), "cannot be read"),
        (("--from", "letter.txt"), "no capture"),
        (("--from", "letter.txt", "--fix"), "another machine"),
        (("--from", "letter.txt", "--capture", "new.txt"), "another machine"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "letter.txt").write_bytes(b"Dear Sir\xff\x00")
    done = command("doctor", *words, cwd=tmp_path)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "new.txt").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are compared as POSIX shells take them")
def test_another_machine_with_its_error(tmp_path: Path) -> None:
    file = OTHER / "driver_550_torch_2_15_aws.txt"
    done = command("doctor", "--from", str(file), cwd=tmp_path)
    assert done.code == 1
    assert "too old" in done.out
    assert "550.163.01" in done.out
    assert "pip install torch==2.10.0" in done.out
