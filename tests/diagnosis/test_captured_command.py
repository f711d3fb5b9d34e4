"""`lensmith doctor --capture` here, `--from` elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import COMMAND, command

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


def test_what_somebody_wrote_into_a_capture_steers_no_terminal(tmp_path: Path) -> None:
    text = (OTHER / "driver_550_torch_2_15_aws.txt").read_text()
    gpu = "\n=== command nvidia-smi -L\nGPU 0: \x1b[2J\u202eRTX\x9b2J (UUID: GPU-\x07)\n"
    disk = "\n=== df\nshm \u00b2 1 2 3 /\nshm 99999999999999999999999 1 " + "9" * 5000 + " 3 /\n"
    (tmp_path / "other.txt").write_text(text + gpu + disk, encoding="utf-8")
    done = command("doctor", "--from", "other.txt", cwd=tmp_path)
    assert done.code == 1
    assert "too old" in done.out
    assert not set("\x1b\x9b\x07\u202e") & set(done.out + done.err)


def test_a_file_longer_than_a_capture_is_not_read_for_minutes(tmp_path: Path) -> None:
    text = "=== python\nversion 3.11.1\n" + "=== file /a\nx\n" * 80_000
    (tmp_path / "long.txt").write_text(text)
    done = command("doctor", "--from", "long.txt", cwd=tmp_path)
    assert (done.code, "longer than any capture" in done.err) == (2, True)


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell closes it")
def test_a_closed_stdout_is_no_fault_of_lensmith(tmp_path: Path) -> None:
    words = [*COMMAND, "doctor", "--from", str(OTHER / "driver_550_torch_2_15_aws.txt")]
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *words]
    done = subprocess.run(closed, cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
