"""`lensmith doctor ERROR` as a person runs it: a text, a log file, a pipe."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from command_line import COMMAND, command, environment

NUMPY = "A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.0.0 as it may crash.\n"


def test_a_text_is_explained_before_the_machine(tmp_path: Path) -> None:
    done = command("doctor", "AttributeError: module 'PIL.Image' has no attribute 'ANTIALIAS'", cwd=tmp_path)
    assert done.code in (0, 1), done
    first, _, rest = done.out.partition("\n\n")
    assert first.startswith("Pillow dropped Image.ANTIALIAS. ")
    assert "What mends it: Write Image.LANCZOS" in first
    assert "https://github.com/" in first
    assert "\nPython    3." in rest
    assert max(map(len, first.splitlines())) <= 100


def test_a_log_file_and_a_pipe_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(NUMPY)
    from_file = command("doctor", "train.log", "--json", cwd=tmp_path)
    piped = subprocess.run(
        [*COMMAND, "doctor", "-", "--json"],
        input=NUMPY.encode(),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=60,
    )
    told = from_file.json["findings"]
    assert told == json.loads(piped.stdout)["findings"]
    assert [finding["name"] for finding in told].count("message") == 1
    assert told[0]["name"] == "message"
    assert told[0].keys() == {"name", "ok", "severity", "detail", "cure", "commands"}
    assert "numpy<2" in told[0]["cure"]


def test_a_message_does_not_make_a_machine_unready(tmp_path: Path) -> None:
    alone = command("doctor", cwd=tmp_path)
    asked = command("doctor", "ValueError: something of its own", cwd=tmp_path)
    assert asked.code == alone.code
    assert asked.out.endswith(alone.out)
    assert "Not known here: ValueError" in asked.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train.log",), "no file train.log"),
        ((".",), "is a folder"),
        (("",), "empty"),
        (("\x1b[0m ",), "empty"),
    ],
)
def test_what_cannot_be_read_is_a_usage_error(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    command("doctor", *words, cwd=tmp_path).refused(2, said)


def test_stdin_that_ends_at_once_is_empty(tmp_path: Path) -> None:
    command("doctor", "-", cwd=tmp_path).refused(2, "empty")
