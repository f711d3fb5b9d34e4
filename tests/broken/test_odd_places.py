"""Fault 34: nowhere to write. Each command says so in one line, or does without."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import QUICK, Ask, command, tree
from confined import without_root_s_rights

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX rights and mounts")


@pytest.fixture
def disk(trained_digits: Path, tmp_path: Path) -> Iterator[Path]:
    """`disk/`, which can only be read, with a finished run in `disk/runs` and some digits to ask about."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True).returncode
    ):
        pytest.skip("no file system can be mounted here")
    try:
        shutil.copytree(trained_digits / "runs/digits-001", place / "runs/digits-001")
        for digit in "01":
            for file in sorted((trained_digits / f"digits/{digit}").iterdir())[:14]:
                (place / f"photos/{digit}").mkdir(parents=True, exist_ok=True)
                shutil.copy(file, place / f"photos/{digit}")
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


RUN, DATA = "disk/runs/digits-001", "disk/photos"


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    "words",
    [
        ("sample", "digits", "disk/digits"),
        ("export", RUN, "-o", "disk/x.lens"),
        ("export", RUN, "-o", "disk/x.onnx"),
        ("predict", RUN, DATA, "--out", "disk/a.csv"),
        ("predict", RUN, DATA, "--sort", "disk/sorted"),
        ("inspect", DATA, "--no-suspects", "--html", "disk/found.html"),
        ("split", DATA, "--out", "disk/split.csv"),
        ("report", RUN),
        ("train", DATA, *QUICK, "--out", "disk/run"),
    ],
    ids=lambda words: " ".join(words[:1]) + words[-1][-5:],
)
def test_what_wants_to_write_there_names_the_place_and_the_reason(
    words: tuple[str, ...], disk: Path, ask: Ask
) -> None:
    done = ask(*words)
    assert done.code in (2, 4), done
    done.refused(done.code, "disk/", "ead-only file system", "hint:")


@pytest.mark.fault(34)
def test_what_lies_there_is_read_and_learned_from(
    disk: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENSMITH_CACHE", str(disk / "cache"))
    asked = ask("predict", RUN, DATA, "--json")
    assert asked.code == 0 and len(asked.rows) == 28 and all("label" in row for row in asked.rows)
    measured = ask("evaluate", RUN, DATA, "--json")
    assert measured.code == 0 and measured.json["count"] == 28
    trained = ask("train", DATA, *QUICK, "--json")
    assert trained.code == 0 and trained.json["run"].startswith("runs/")


@pytest.mark.fault(34)
def test_an_account_without_the_right_to_write_is_told_so(trained_digits: Path, tmp_path: Path) -> None:
    """`runs/` cannot be made where one stands, nor a file."""
    under, shelf = without_root_s_rights(), tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "kept.txt").write_text("mine")
    shelf.chmod(0o555)
    run, data = trained_digits / "runs/digits-001", trained_digits / "digits"
    try:
        for words in (("sample", "digits", "here"), ("export", run, "-o", "x.lens")):
            done = command(*words, cwd=shelf, under=under)
            done.refused(2, f"{words[-1]}: cannot be written", "Permission denied", "hint:")
        done = command("train", data, *QUICK, cwd=shelf, under=under)
        done.refused(
            2, "runs: no run can be written there (Permission denied)", "hint: Give another folder with --out"
        )
        assert list(tree(shelf)) == ["kept.txt"]
        looked = command("predict", run, data / "0", "--json", cwd=shelf, under=under)
        assert looked.code == 0 and json.loads(looked.out.splitlines()[0])["label"]
    finally:
        shelf.chmod(0o755)
