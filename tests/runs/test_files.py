"""Files are whole or not there, and JSON comes back as it went, whatever it holds."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lensmith.errors import DataError
from lensmith.runs.files import (
    append_json_line,
    read_json,
    read_json_lines,
    replacing,
    sha256_of,
    write_bytes,
    write_json,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "er" / "weights.bin"
    with replacing(file) as opened:
        opened.write(b"half")
        opened.flush()
        assert not file.exists()
        opened.write(b" and half")
    assert file.read_bytes() == b"half and half"
    assert names(file.parent) == ["weights.bin"]
    write_bytes(file, b"")
    assert file.read_bytes() == b""
    assert sha256_of(file) == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_when_the_block_raises_the_old_file_stays_and_no_part_is_left(
    error: type[BaseException], tmp_path: Path
) -> None:
    file = tmp_path / "model"
    write_text(file, "old")
    with pytest.raises(error), replacing(file) as opened:
        opened.write(b"new, half")
        raise error
    assert file.read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_a_name_that_cannot_be_taken_leaves_no_part(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_text(tmp_path / "folder", "x")
    assert names(tmp_path) == ["folder"]


@pytest.mark.skipif(sys.platform == "win32", reason="file sizes are limited the Unix way")
def test_a_disk_that_fills_up_keeps_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "model", "old")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import pathlib, resource, signal, sys\n"
            "from lensmith.runs.files import write_bytes\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
            "try: write_bytes(pathlib.Path(sys.argv[1]), bytes(100_000))\n"
            "except OSError as error: print('loud')",
            str(tmp_path / "model"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "loud\n"
    assert (tmp_path / "model").read_text() == "old"
    assert names(tmp_path) == ["model"]


WRITER = """
import itertools, pathlib, sys
from lensmith.runs.files import replacing

print("ready", flush=True)
for number in itertools.count(1):
    with replacing(pathlib.Path(sys.argv[1])) as file:
        for _ in range(200):
            file.write(bytes([number % 256]) * 1000)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_killed_while_writing_the_file_is_an_old_one_or_a_new_one_whole(tmp_path: Path) -> None:
    file = tmp_path / "model"
    for pause in (0.0, 0.01, 0.03, 0.07):
        write_bytes(file, b"\0" * 200_000)
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE)
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        content = file.read_bytes()
        assert len(content) == 200_000
        assert len(set(content)) == 1
    assert all(name == "model" or name.endswith(".part") for name in names(tmp_path))


def test_readers_never_see_a_half(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    write_json(file, ["x"] * 5000)
    done = threading.Event()

    def write() -> None:
        for number in range(30):
            write_json(file, [str(number)] * 5000)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert len(set(read_json(file))) == 1
    writer.join()


AWKWARD = [
    {"größe": "🐈", "text": 'quote " back \\ tab \t newline \n \r nul \0'},
    {"separators": "\x0b \x0c \x1c \x1d \x1e \x85 \u2028 \u2029"},
    {"file": "caf\udce9.jpg"},
    {"numbers": [0.1 + 0.2, 1e-300, 2**70, -0.0], "none": None, "empty": {}},
]


@pytest.mark.parametrize("value", AWKWARD)
def test_json_and_back(value: Any, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    (tmp_path / "a.json").read_bytes().decode("utf-8")


def test_lines_and_back(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "looks.jsonl"
    for value in AWKWARD:
        append_json_line(file, value)
    assert read_json_lines(file) == AWKWARD
    assert file.read_bytes().count(b"\n") == len(AWKWARD)
    assert read_json_lines(tmp_path / "none.jsonl") == []


def test_a_line_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    for number in range(3):
        append_json_line(file, {"epoch": number})
    os.truncate(file, file.stat().st_size - 4)
    assert read_json_lines(file) == [{"epoch": 0}, {"epoch": 1}]
    append_json_line(file, {"epoch": 3})
    append_json_line(file, {"epoch": 4})
    assert read_json_lines(file) == [{"epoch": 0}, {"epoch": 1}, {"epoch": 3}, {"epoch": 4}]


def test_damage_in_the_middle_of_lines_costs_its_line(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(b'{"a": 1}\n\xff\xfe{\n\n{"a": 2}\r\n' + b"[" * 100_000 + b'\n{"a": 3}')
    assert read_json_lines(file) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_many_writers_of_lines(tmp_path: Path) -> None:
    file = tmp_path / "looks.jsonl"
    long = "x" * 20_000  # longer than a buffer
    threads = [
        threading.Thread(target=lambda n=n: [append_json_line(file, {"n": n, "x": long}) for _ in range(10)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(line["n"] for line in read_json_lines(file)) == sorted([0, 1, 2, 3] * 10)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"a": 1', b"\xff\xfe\x00", b"\x80\x04K\x01.", b"[" * 100_000, b"1" * 5000, b"{'a': 1}"],
    ids=["empty", "open", "cut", "utf-16", "pickle", "deep", "huge", "python"],
)
def test_what_is_no_json_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as JSON") as caught:
        read_json(file)
    assert str(file) in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for place in (tmp_path / "gone.json", tmp_path):
        with pytest.raises(DataError, match="cannot be read as JSON"):
            read_json(place)


def test_what_json_cannot_hold_writes_nothing(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"path": tmp_path})
    assert json.loads((tmp_path / "a.json").read_text()) == 1
    assert names(tmp_path) == ["a.json"]
