"""A log or a paste in one form, whatever printed it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lensmith.diagnosis import transcript
from lensmith.diagnosis.transcript import clean, find_ending, one_line, read_transcript
from lensmith.errors import UsageError


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        ("\x1b[31mRuntimeError\x1b[0m: no", "RuntimeError: no"),
        ("\x1b]0;title\x07RuntimeError", "RuntimeError"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("10%|#  |\r20%|## |\r\nRuntimeError\r\n", "10%|#  |\n20%|## |\nRuntimeError\n"),
        ("a\x00b\x08c\x9bd\u202ee\u200bf", "abcef"),
        ("[rank3]: RuntimeError: no", "RuntimeError: no"),
        ("[rank0]:[rank0]: a\n[rank1]: a\n[rank1]: b", "a\nb"),
        ("(APIServer pid=1) (EngineCore_DP0 pid=68) RuntimeError", "RuntimeError"),
        ("#10 98.65 ERROR: no", "ERROR: no"),
        ("│ /a/b.py:12 in f     │\n╰───────────╯", "/a/b.py:12 in f\n"),
        ("a line and a space ", "a line and a space "),
        ("> RuntimeError: quoted in a mail", "RuntimeError: quoted in a mail"),
        ("tab\tbed", "tab bed"),
    ],
)
def test_what_only_steers_a_terminal_or_marks_a_line_is_gone(printed: str, text: str) -> None:
    assert clean(printed) == text


def test_nothing_that_steers_a_terminal_is_left() -> None:
    every = "".join(map(chr, range(0x110))) + "".join(f"\x1b{chr(code)}x" for code in range(256))
    left = clean(every * 3)
    assert not [mark for mark in left if not mark.isprintable() and mark not in "\n\xa0\xad"]


def test_lines_cut_by_a_terminal_are_joined() -> None:
    words = "Failed to initialize NVML: Driver/library version mismatch, which a window of forty cut"
    cut = "\n".join(words[start : start + 40] for start in range(0, len(words), 40))
    assert words in one_line(clean(cut))
    assert one_line("short\nlines") == ("short lines",)


def test_the_last_exception_and_where_it_was_raised() -> None:
    ending = find_ending(
        clean(
            'Traceback (most recent call last):\n  File "/e/lib/python3.11/site-packages/torch/hub.py", line 7\n'
            "KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n"
            'Traceback (most recent call last):\n  File "C:\\e\\Lib\\site-packages\\timm\\models.py", line 9, in f\n'
            "    x = 1\ntimm.errors.OddError: it is odd\nsrun: error: gone\n"
        )
    )
    assert ending is not None
    assert (ending.type, ending.words) == ("timm.errors.OddError", "it is odd")
    assert (ending.library, ending.place) == ("timm", "C:\\e\\Lib\\site-packages\\timm\\models.py:9")
    assert find_ending("nothing of the kind") is None


def test_what_a_launcher_says_of_its_process_is_not_the_ending() -> None:
    relayed = "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: train.py FAILED"
    ending = find_ending(f"KeyError: 'cats'\n{relayed}\nFutureWarning: old")
    assert ending is not None and ending.type == "KeyError"
    alone = find_ending(relayed)
    assert alone is not None and alone.type.endswith("ChildFailedError")


def test_a_file_a_text_and_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ü train.log"
    file.write_text("ValueError: in a file", encoding="utf-8")
    assert read_transcript(str(file)) == "ValueError: in a file"
    assert read_transcript("ValueError: as a word") == "ValueError: as a word"
    assert read_transcript("x " * 5000) == "x " * 5000
    assert read_transcript("a word\0with a null") == "a word\0with a null"
    file.write_text("ValueError: é", encoding="utf-8")
    with file.open(encoding="ascii") as opened:
        monkeypatch.setattr(sys, "stdin", opened)
        assert read_transcript("-") == "ValueError: é"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")
def test_what_has_no_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="/dev/zero has no end"):
        read_transcript("/dev/zero")
    with Path("/dev/zero").open() as zeros:
        monkeypatch.setattr(sys, "stdin", zeros)
        with pytest.raises(UsageError, match="stdin has no end"):
            read_transcript("-")
    monkeypatch.setattr(transcript, "_MOST", 2**21)
    endless = subprocess.Popen(["yes"], stdout=subprocess.PIPE, text=True)
    monkeypatch.setattr(sys, "stdin", endless.stdout)
    with endless, pytest.raises(UsageError, match="stdin has no end"):
        try:
            read_transcript("-")
        finally:
            endless.kill()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")
def test_a_pipe_is_read_that_somebody_writes_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["/bin/sh", "-c", 'sleep 0.2; echo "ValueError: in a pipe" > "$0"', str(pipe)]):
        assert read_transcript(str(pipe)) == "ValueError: in a pipe\n"
    monkeypatch.setattr(transcript, "_PATIENCE", 0.1)
    with pytest.raises(UsageError, match="nothing is written into"):
        read_transcript(str(pipe))


def test_what_powershell_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes("ValueError: é\r\n".encode("utf-16"))
    assert read_transcript(str(tmp_path / "log")).lstrip("\ufeff") == "ValueError: é\r\n"


def test_bytes_that_are_no_text_are_read(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\xff\xfa\x00ValueError: no\xc3")
    assert "ValueError: no" in clean(read_transcript(str(tmp_path / "log")))


def test_a_long_log_keeps_how_it_began_and_how_it_ended(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        log.write(b"CUDA initialization: first\n")
        for _ in range(30):
            log.write(b"step\n" * 2**18)
        log.write(b"ValueError: last\n")
    text = read_transcript(str(tmp_path / "log"))
    assert text.startswith("CUDA initialization: first")
    assert text.endswith("ValueError: last\n")
    assert len(text) <= 2**20


@pytest.mark.parametrize("word", ["train.log", "/no/such/folder/train.log", "my logs/of today.txt"])
def test_a_file_that_is_not_there_is_named(word: str) -> None:
    with pytest.raises(UsageError, match=word) as told:
        read_transcript(word)
    assert "-" in told.value.hint


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="folder"):
        read_transcript(str(tmp_path))


HOSTILE = """
import sys
from lensmith.diagnosis import transcript
from lensmith.diagnosis.transcript import clean, find_ending, one_line
escapes = [chr(27) + end for end in ("[", "]", "[0;")]
for part in (*escapes, " ", "|", "[rank1]: ", "a.", "a.bError", "File \\"", "│ "):
    for end in ("", "\\n", "x"):
        lines = clean(part * (2**20 // len(part)) + end)
        one_line(lines), find_ending(lines)
        lines = clean((part * 40 + "\\n") * (2**20 // (40 * len(part) + 1)))
        one_line(lines), find_ending(lines)
"""


def test_a_hostile_log_does_not_hang() -> None:
    source = str(Path(transcript.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE],
        env={"PYTHONPATH": source},
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
