"""`lensmith predict --out` and `--sort`, stopped in the middle by every means: the second run goes on."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import COMMAND, command, environment, tree
from pictures_server import PicturesServer, endless, serving_pictures, whole


@pytest.fixture
def server() -> Iterator[PicturesServer]:
    with serving_pictures() as server:
        yield server


def rows(file: Path) -> list[dict[str, str]]:
    if file.suffix == ".csv":
        with file.open(newline="", encoding="utf-8") as opened:
            return list(csv.DictReader(opened))
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def stop_amid(number: int, words: list[str | Path], file: Path, cwd: Path) -> tuple[int, str]:
    """Send a signal when some answers are in the file, which are never all: one of the pictures does not come."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment(no_proxy="*"),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr:
        deadline = time.monotonic() + 60
        while not (file.exists() and file.read_bytes().count(b"\n") > 300):
            assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(number)
        err = process.stderr.read()
        return process.wait(60), err


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("number", "code", "suffix"),
    [
        (signal.SIGKILL, -9, "csv"),
        (signal.SIGINT, 130, "jsonl"),
        (signal.SIGTERM, 143, "csv"),
    ],
)
def test_stopped_in_the_middle_it_goes_on(
    number: int, code: int, suffix: str, trained_digits: Path, tmp_path: Path, server: PicturesServer
) -> None:
    server.answers["/late.png"] = endless(server, head=False, pause=0.05)
    file = tmp_path / f"answers.{suffix}"
    words: list[str | Path] = ["predict", "last", "digits", f"{server.url}/late.png", "--out", file]
    ended, err = stop_amid(number, words, file, trained_digits)
    assert ended == code
    if code > 0:
        assert "goes on from there" in err and "Traceback" not in err
    answered = rows(file)
    assert 300 <= len(answered) < 1798
    with file.open("ab") as opened:
        opened.write(b"digits/9/halfwri")  # as a kill amid a row leaves it
    picture = next((trained_digits / "digits/3").iterdir())
    server.answers["/late.png"] = whole(picture.read_bytes())
    done = command(*words, cwd=trained_digits, no_proxy="*")
    assert done.code == 0 and done.out == "" and f"{len(answered):,} answered before" in done.err
    after = rows(file)
    assert after[: len(answered)] == answered
    assert len(after) == len({row["file"] for row in after}) == 1798
    assert all(len(row["model"]) == 16 and not row.get("error") for row in after)
    again = command(*words, cwd=trained_digits, no_proxy="*")
    assert again.code == 0 and rows(file) == after


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_sorting_killed_in_the_middle_goes_on(
    trained_digits: Path, tmp_path: Path, server: PicturesServer
) -> None:
    server.answers["/late.png"] = endless(server, head=False, pause=0.05)
    before, folder = tree(trained_digits / "digits"), tmp_path / "sorted"
    words: list[str | Path] = ["predict", "last", "digits", f"{server.url}/late.png", "--sort", folder]
    stop_amid(signal.SIGKILL, words, folder / "answers.csv", trained_digits)
    # two more are placed than is written down, as if the kill had come between the two
    lines = (folder / "answers.csv").read_bytes().splitlines(keepends=True)
    (folder / "answers.csv").write_bytes(b"".join(lines[:-2]))
    (folder / ".lensmith.part").write_bytes(b"half a pict")
    picture = next((trained_digits / "digits/3").iterdir())
    server.answers["/late.png"] = whole(picture.read_bytes())
    done = command(*words, cwd=trained_digits, no_proxy="*")
    assert done.code == 0, done.err
    placed = rows(folder / "answers.csv")
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != "answers.csv"]
    assert len(placed) == len(found) == 1798 and {row["place"] for row in placed} == {
        str(path) for path in found
    }
    for row in placed:
        source = picture if "late" in row["file"] else trained_digits / row["file"]
        assert Path(row["place"]).read_bytes() == source.read_bytes()
        assert Path(row["place"]).parent.name == (row["label"] if row["sure"] == "true" else "not sure")
    assert tree(trained_digits / "digits") == before


def test_what_cannot_be_read_is_listed_and_asked_again(trained_digits: Path, tmp_path: Path) -> None:
    good = sorted((trained_digits / "digits/5").iterdir())[:3]
    photos = tmp_path / "photos"
    photos.mkdir()
    for file in good:
        shutil.copy(file, photos)
    (photos / "bad.png").write_bytes(b"no picture")
    words = ("predict", "last", photos, "--sort", tmp_path / "out")
    done = command(*words, cwd=trained_digits)
    assert done.code == 0 and done.err.count("error:") == 1 and "bad.png" in done.err
    (bad,) = (row for row in rows(tmp_path / "out/answers.csv") if row["error"])
    assert Path(bad["file"]).name == "bad.png" and not bad["place"] and "not a picture" in bad["error"]
    assert command(*words, "--strict", cwd=trained_digits).code == 3
    shutil.copy(good[0], photos / "bad.png")
    assert command(*words, "--strict", cwd=trained_digits).code == 0
    assert len(rows(tmp_path / "out/answers.csv")) == len(list((tmp_path / "out").rglob("*.png"))) == 4


def test_answers_of_two_models_are_not_mixed(trained_digits_copy: Path, tmp_path: Path) -> None:
    facts = trained_digits_copy / "runs/digits-001/model/bundle.json"
    words = ("predict", "last", "digits/1", "--out", tmp_path / "a.csv")
    assert command(*words, cwd=trained_digits_copy).code == 0
    facts.write_text(facts.read_text().replace('"threshold": 0.5', '"threshold": 0.6'), encoding="utf-8")
    command(*words, cwd=trained_digits_copy).refused(2, "another model", "Name another file")


def test_a_picture_asked_twice_is_answered_once_in_a_file(trained_digits: Path, tmp_path: Path) -> None:
    words = ("digits/1", "./digits/1", trained_digits / "digits/1", "digits/*/*.png")
    done = command("predict", "last", *words, "--out", tmp_path / "a.jsonl", cwd=trained_digits)
    assert done.code == 0 and len(rows(tmp_path / "a.jsonl")) == 1797
    done = command("predict", "last", tmp_path, "--out", tmp_path / "b.csv", cwd=trained_digits)
    assert done.code == 3 and "no pictures there" in done.err


@pytest.mark.fault(23)
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_full_disk_leaves_a_file_that_is_gone_on_with(trained_digits: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    words = ["predict", "last", "digits", "--out", str(file)]
    limited = ["sh", "-c", 'ulimit -f 80; exec "$@"', "sh", *COMMAND, *words]
    done = subprocess.run(
        limited, cwd=trained_digits, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 4 and "ulimit -f" in done.stderr and "Traceback" not in done.stderr
    assert 0 < len(rows(file)) < 1797
    assert command(*words, cwd=trained_digits).code == 0
    assert len({row["file"] for row in rows(file)}) == len(rows(file)) == 1797
